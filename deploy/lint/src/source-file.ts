import ts from 'typescript';

export interface Import {
  /** As written: `./x.js`, `node:fs`, `@millrace/codec/block.js`. */
  readonly specifier: string;
  /** `node:fs` for `node:fs/promises`, `@millrace/codec` for `@millrace/codec/block.js`, undefined for a relative import. */
  readonly package: string | undefined;
  readonly line: number;
}

/** What the rules need to know of one TypeScript file. */
export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Identifiers and string contents, without comments. */
  readonly words: readonly { readonly text: string; readonly line: number }[];
  readonly lines: number;
  /** It has statements, and all of them pass on what other files export. */
  readonly onlyPassesOn: boolean;
}

/** Reads a file with TypeScript's own parser. */
export function parseSourceFile(path: string, text: string): SourceFile {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  const imports: Import[] = [];
  const words: { text: string; line: number }[] = [];

  const visit = (node: ts.Node): void => {
    const specifier = importedFrom(node);
    if (specifier !== undefined) imports.push({ specifier, package: packageOf(specifier), line: lineOf(node) });
    else if (
      ts.isIdentifier(node) ||
      ts.isPrivateIdentifier(node) ||
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node)
    ) {
      words.push({ text: node.text, line: lineOf(node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);

  const { statements } = file;
  const onlyPassesOn =
    statements.length > 0 &&
    statements.every((statement) => ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined);
  return { path, imports, words, lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0), onlyPassesOn };
}

function importedFrom(node: ts.Node): string | undefined {
  if (
    (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
    node.moduleSpecifier !== undefined &&
    ts.isStringLiteral(node.moduleSpecifier)
  ) {
    return node.moduleSpecifier.text;
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal))
    return node.argument.literal.text;
  if (ts.isCallExpression(node)) {
    const [argument] = node.arguments;
    const calls =
      node.expression.kind === ts.SyntaxKind.ImportKeyword ||
      (ts.isIdentifier(node.expression) && node.expression.text === 'require');
    if (calls && argument !== undefined && ts.isStringLiteralLike(argument)) return argument.text;
  }
  return undefined;
}

function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('/')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
