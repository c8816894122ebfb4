"""What pods must be: the Pod Security Standards, who is excused, and how workloads get there."""
