"""The rules that a document has to keep: those of graphql-core, except where its report repeats itself.

What a document may hold and cost is `schema.documents.limits`' and `schema.documents.costs`'.
"""

from typing import Any, Final

from graphql import (
    ASTValidationRule,
    DirectiveNode,
    KnownDirectivesRule,
    Node,
    ValidationContext,
    specified_rules,
)


class EachUnknownDirectiveOnce(KnownDirectivesRule):
    """Reports an unknown directive where it is used first: a document may use it a thousand times."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._reported = set[str]()

    def enter_directive(
        self, node: DirectiveNode, key: Any, parent: Any, path: Any, ancestors: list[Node]
    ) -> None:
        """Check a directive."""
        name = node.name.value
        if name in self._reported:
            return
        if name not in self.locations_map:
            self._reported.add(name)
        super().enter_directive(node, key, parent, path, ancestors)


RULES: Final[tuple[type[ASTValidationRule], ...]] = tuple(
    EachUnknownDirectiveOnce if rule is KnownDirectivesRule else rule for rule in specified_rules
)
