"""A resolver of many records at once. Called for one record, it resolves a list of one."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, Generic, ParamSpec, TypeVar, get_args

from resolvers.request.context import Info

R = TypeVar("R")
V = TypeVar("V")
P = ParamSpec("P")

_OF_ONE = "root"
"""Strawberry's name for the parameter that takes the record."""


class BatchResolver(Generic[R, P, V]):
    """A resolver. Called with one record it returns one value; `of_all` returns those of many, in their order.

    If `of_all` raises, the executor calls it for each record alone, so that the error gets its own path.
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
            **{
                name: parameter.annotation
                for name, parameter in self.__signature__.parameters.items()
            },
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
