"""What others say of the Pod Security Standards: the samples that Kubernetes itself is tested with."""
