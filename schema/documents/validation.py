"""The validation rules of documents: those of graphql-core, except one whose report would repeat itself."""

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
    """Reports each unknown directive once: a document may use it a thousand times."""

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
