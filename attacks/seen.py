"""What of a target an attack may see: no more than it declared."""

from torch import Tensor, nn

from attacks.base import Knowledge, Target
from attacks.precision import of_networks


class Seen:
    """A target (:class:`attacks.base.Target`) as far as an attack declared that it knows it; the rest is refused.

    Args:
        target: The target itself.
        knowledge: What the attack may do with the client.
        needs_server: Whether it may ask the server.
    """

    def __init__(self, target: Target, knowledge: Knowledge, *, needs_server: bool) -> None:
        self.sigma, self.spread, self.extent = target.sigma, target.spread, target.extent
        self.mirrors = target.mirrors
        self.image_shape, self.num_classes = target.image_shape, target.num_classes
        self.activation_shape, self.precision = target.activation_shape, target.precision
        self.networks = of_networks(target)
        self.defense, self.noise_std = target.defense, target.noise_std
        self._target, self._knowledge, self._needs_server = target, knowledge, needs_server
        self._head: nn.Module | None = None

    def answered_by(self, head: nn.Module) -> None:
        """Let a network of the attacker's own, from releases to logits, answer in the server's place."""
        self._head = head

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected release; for whoever holds the weights."""
        return self._with_weights("mean").mean(x)

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the negative log-likelihood of releases; for whoever holds the weights."""
        return self._with_weights("surprise").surprise(x, z)

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Return client and server; for whoever holds the weights."""
        return self._with_weights("modules").modules()

    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases; for whoever may ask the client."""
        if self._knowledge == "none":
            raise PermissionError('the attack asks for a release without saying so; declare knowledge = "queries"')
        return self._target.release(x, m)

    def server(self, z: Tensor) -> Tensor:
        """Return logits; for whoever needs the server."""
        if not self._needs_server:
            raise PermissionError("the attack asks the server without saying so; declare needs_server = True")
        if self._head is not None:
            logits: Tensor = self._head(z)
            return logits
        return self._target.server(z)

    def _with_weights(self, asked: str) -> Target:
        if self._knowledge != "gradients":
            raise PermissionError(f'the attack asks for {asked} without saying so; declare knowledge = "gradients"')
        return self._target
