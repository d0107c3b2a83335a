"""Which programming languages are cut by syntax, and what their grammars call a definition. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Grammar:
    """Names are node types of the tree-sitter grammar in ``module``.

    ``definitions`` stay whole; ``classes`` are cut at their members where they are long; ``through`` are looked into as if
    they were not there, those in ``named_through`` lend their name. ``wrappers`` hold one definition. ``assigned``:
    statements that define something where a value of ``functions`` is assigned. ``above``: belongs to what follows it.
    """

    module: str
    fence: str
    definitions: frozenset[str]
    classes: frozenset[str] = frozenset()
    through: frozenset[str] = frozenset()
    named_through: frozenset[str] = frozenset()
    wrappers: frozenset[str] = frozenset()
    assigned: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset()
    joint: str = "."
    function: str = "language"


def _of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_JS = Grammar(
    "tree_sitter_javascript",
    "javascript",
    _of("function_declaration generator_function_declaration method_definition"),
    _of("class_declaration class"),
    wrappers=_of("export_statement expression_statement"),
    assigned=_of("lexical_declaration variable_declaration assignment_expression field_definition"),
    functions=_of("arrow_function function_expression function generator_function class"),
    above=_of("decorator"),
)
_TS = Grammar(
    "tree_sitter_typescript",
    "typescript",
    _JS.definitions | _of("type_alias_declaration enum_declaration function_signature"),
    _JS.classes | _of("abstract_class_declaration interface_declaration"),
    through=_of("internal_module module"),
    named_through=_of("internal_module module"),
    wrappers=_JS.wrappers | _of("ambient_declaration"),
    assigned=_JS.assigned | _of("public_field_definition"),
    functions=_JS.functions,
    above=_JS.above,
    function="language_typescript",
)
_C_THROUGH = "preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification declaration_list"
_C = Grammar(
    "tree_sitter_c",
    "c",
    _of("function_definition type_definition enum_specifier union_specifier preproc_function_def"),
    _of("struct_specifier"),
    through=_of(_C_THROUGH),
)

GRAMMARS: dict[str, Grammar] = {
    "python": Grammar(
        "tree_sitter_python",
        "python",
        _of("function_definition"),
        _of("class_definition"),
        wrappers=_of("decorated_definition"),
    ),
    "javascript": _JS,
    "typescript": _TS,
    "tsx": replace(_TS, fence="tsx", function="language_tsx"),
    "java": Grammar(
        "tree_sitter_java",
        "java",
        _of("method_declaration constructor_declaration compact_constructor_declaration annotation_type_declaration"),
        _of("class_declaration interface_declaration enum_declaration record_declaration"),
        through=_of("enum_body_declarations"),
    ),
    "go": Grammar("tree_sitter_go", "go", _of("function_declaration method_declaration type_declaration")),
    "rust": Grammar(
        "tree_sitter_rust",
        "rust",
        _of("function_item struct_item enum_item union_item macro_definition type_item"),
        _of("impl_item trait_item"),
        through=_of("mod_item declaration_list"),
        named_through=_of("mod_item"),
        above=_of("attribute_item"),
        joint="::",
    ),
    "c": _C,
    "cpp": Grammar(
        "tree_sitter_cpp",
        "cpp",
        _C.definitions | _of("concept_definition alias_declaration"),
        _of("struct_specifier class_specifier"),
        through=_of(f"{_C_THROUGH} namespace_definition"),
        named_through=_of("namespace_definition"),
        wrappers=_of("template_declaration"),
        joint="::",
    ),
    "c-sharp": Grammar(
        "tree_sitter_c_sharp",
        "csharp",
        _of("method_declaration constructor_declaration enum_declaration delegate_declaration operator_declaration"),
        _of("class_declaration struct_declaration interface_declaration record_declaration"),
        through=_of("namespace_declaration"),
        named_through=_of("namespace_declaration"),
    ),
    "ruby": Grammar(
        "tree_sitter_ruby",
        "ruby",
        _of("method singleton_method"),
        _of("class"),
        through=_of("module"),
        named_through=_of("module"),
        joint="::",
    ),
    "php": Grammar(
        "tree_sitter_php",
        "php",
        _of("function_definition method_declaration"),
        _of("class_declaration interface_declaration trait_declaration enum_declaration"),
        through=_of("namespace_definition"),
        joint="::",
        function="language_php",
    ),
    "bash": Grammar("tree_sitter_bash", "bash", _of("function_definition")),
}

_ENDINGS = {
    "python": "py pyi pyw",
    "javascript": "js mjs cjs jsx",
    "typescript": "ts mts cts",
    "tsx": "tsx",
    "java": "java",
    "go": "go",
    "rust": "rs",
    "c": "c h",
    "cpp": "cpp cc cxx hpp hh hxx",
    "c-sharp": "cs",
    "ruby": "rb rake gemspec",
    "php": "php",
    "bash": "sh bash",
}
_LANGUAGES = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}
_NAMES = {"rakefile": "ruby", "gemfile": "ruby"}


def language_of(filename: str) -> str | None:
    """A key of GRAMMARS, by the file's name."""
    name = filename.rsplit("/", 1)[-1].lower()
    return _NAMES.get(name) or _LANGUAGES.get(name.rpartition(".")[2] if "." in name.lstrip(".") else "")
