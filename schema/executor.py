"""How operations are executed, where that differs from Strawberry's way."""

from typing import Any

from graphql import Executor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.progress import Moment


class LogExecutor(StrawberryGraphQLCoreExecutionContext):
    """Answers each event of a subscription in the context that came with it.

    GraphQL knows one context an operation; an operation that goes on for hours would show what it loaded in the first second.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event, which is a `Moment`."""
        assert isinstance(payload, Moment), payload
        executor = super().build_per_event_executor(payload.shown)
        executor.context_value = payload.context
        return executor
