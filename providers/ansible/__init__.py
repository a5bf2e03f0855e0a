"""`ansible.play`: one play of the estate, run by ansible-runner inside a supervisor process of its own.

The class is imported when first asked for: the supervisor imports this package
too, at every start, and must not pay for what only the service needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from providers.ansible.play import AnsiblePlay

__all__ = ["AnsiblePlay"]


def __getattr__(name: str) -> Any:
    if name == "AnsiblePlay":
        from providers.ansible.play import AnsiblePlay

        return AnsiblePlay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
