"""How a template is refused: always ``InvalidTemplate``, with the place in the template as the target."""

from __future__ import annotations

from orchestrator.errors import BadInput

CODE = "InvalidTemplate"


def invalid(message: str, target: str | None = None) -> BadInput:
    words = f"Deployment template validation failed: {message}"
    return BadInput(words, code=CODE, target=target)
