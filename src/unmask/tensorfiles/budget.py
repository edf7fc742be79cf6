"""How much reading one file may cost: what it asks for beyond that, no network needs."""

from __future__ import annotations

from dataclasses import dataclass


class Refusal(Exception):
    """The file asks for something that is not on the list, or too much; the message names it."""


class Damaged(Exception):
    """The file breaks off, or makes no sense."""


@dataclass
class Budget:
    """What is left of a file's allowance; everything read on behalf of the file spends of the same one.

    Attributes:
        instructions: of pickles. A StyleGAN2 of 1024 pixels with discriminator and average takes some 50,000.
        bytes: of texts, byte strings and storages that are made. Published checkpoints have up to 1.5 GB.
    """

    instructions: int = 1_000_000
    bytes: int = 4 << 30

    def spend_instruction(self) -> None:
        """Raises Refusal if none is left."""
        self.instructions -= 1
        if self.instructions < 0:
            raise Refusal("more instructions than any network takes")

    def spend_bytes(self, count: int) -> None:
        """Raises Refusal if so many are not left."""
        self.bytes -= count
        if self.bytes < 0:
            raise Refusal("more memory than any network takes")
