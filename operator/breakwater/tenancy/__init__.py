"""Who may declare what: admission policies that hold everybody to his own rights (tenancy).

The operator reads and writes with rights of its own. So whoever writes a reference must be allowed to do himself what
the operator would do for him. The API server asks its own authorizer, in CEL, before it stores a declaration; the
operator has no part in it and works without these policies, too.
"""

from breakwater.tenancy.manifests import check, render, write
from breakwater.tenancy.rights import OPERATOR

__all__ = ["OPERATOR", "check", "render", "write"]
