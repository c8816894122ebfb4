from tests.cluster.standards_scene import standards
from tests.controlplane.fixtures import controlplane, fresh_controlplane

__all__ = ["controlplane", "fresh_controlplane", "standards"]
