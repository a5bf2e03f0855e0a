"""What a step of the kind `ansible.play` asks for."""

from typing import Annotated, Any

from pydantic import Field

from providers.wants.base import EstatePath, HostName, Name, SecretRef, Wish


class Play(Wish):
    """`ansible.play`: one play of the estate on hosts given by name and address."""

    play: EstatePath
    hosts: dict[Name, HostName] = Field(min_length=1, description="inventory name: address")
    vars: dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], Any] = Field(default_factory=dict)
    secrets: dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], SecretRef] = Field(default_factory=dict)
