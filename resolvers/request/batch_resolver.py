"""A resolver that answers a field of many records at once.

Asked for one record, as a field that stands alone is, it answers a list of one: there is one function, and so one answer.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, Generic, ParamSpec, TypeVar, get_args

from resolvers.request.context import Info

R = TypeVar("R")
V = TypeVar("V")
P = ParamSpec("P")

_OF_ONE = "root"
"""What Strawberry calls the record of a field."""


class Together(Generic[R, P, V]):
    """A resolver: called with one record it gives one value, and `of_all` gives those of many in their order.

    Where `of_all` raises, it is asked for each record alone, so that an error stands where it belongs.
    """

    def __init__(
        self, of_all: Callable[Concatenate[Sequence[R], Info, P], Awaitable[Sequence[V]]]
    ) -> None:
        self.of_all = of_all
        self.__doc__ = of_all.__doc__
        self.__name__ = getattr(of_all, "__name__", type(self).__name__)
        self.__qualname__ = getattr(of_all, "__qualname__", self.__name__)
        self.__module__ = of_all.__module__
        self.__signature__ = _of_one(inspect.signature(of_all))
        self.__annotations__ = {
            **{name: given.annotation for name, given in self.__signature__.parameters.items()},
            "return": self.__signature__.return_annotation,
        }

    async def __call__(self, root: R, info: Info, *args: P.args, **kwargs: P.kwargs) -> V:
        (value,) = await self.of_all([root], info, *args, **kwargs)
        return value


def _of_one(signature: inspect.Signature) -> inspect.Signature:
    many, *others = signature.parameters.values()
    (record,) = get_args(many.annotation)
    (value,) = get_args(signature.return_annotation)
    one = many.replace(name=_OF_ONE, annotation=record)
    return signature.replace(parameters=[one, *others], return_annotation=value)
