"""What `ruff format` leaves longer than 120 columns: text is cut at spaces into adjacent literals, long comments move above their line.

    python .ci/wrap_long_lines.py nbs tests bench      # after `make format`; a file whose meaning would change is left alone
"""

import ast
import io
import json
import re
import sys
import tokenize
from pathlib import Path

WIDTH = 120


def places(literal: str, prefix: int) -> list[int]:
    "Where a literal may be cut: behind spaces that are outside of braces and of escapes."
    fancy, depth, found = "f" in literal[:prefix].lower(), 0, []
    for i, c in enumerate(literal[:-1]):
        if i < prefix: continue
        if fancy and c == "{": depth += 1 if literal[i + 1] != "{" and literal[i - 1] != "{" or depth else 0
        elif fancy and c == "}" and depth: depth -= 1
        elif c == " " and not depth and literal[i + 1] not in "'\"" and i > prefix: found.append(i + 1)
    return found


def cut(line: str, token: tokenize.TokenInfo) -> list[str] | None:
    "One line as several, the token in pieces."
    head = re.match(r"[a-zA-Z]*(\"\"\"|'''|\"|')", token.string)
    if len(head[1]) == 3: return None
    (_, start), (_, end) = token.start, token.end
    text, indent = token.string, " " * (len(line) - len(line.lstrip()))
    room = WIDTH - 1 - start
    at = [p for p in places(text, head.end()) if p <= room and p > head.end() + 10]
    if not at: return None
    first, rest = text[: at[-1]] + head[1], head[0] + text[at[-1] :]
    return [line[:start] + first, (" " * start if start > len(indent) else indent) + rest + line[end:]]


def wrapped(source: str) -> str:
    "The same with shorter lines, as far as that can be done."
    lines, depth, done = source.split("\n"), 0, 0
    while done < 4000:
        done += 1
        docs = {n.body[0].value.lineno: n.body[0].value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Module) and n.body
                and isinstance(n.body[0], ast.Expr) and isinstance(n.body[0].value, ast.Constant) and isinstance(n.body[0].value.value, str)}
        depth = 0
        for t in tokenize.generate_tokens(io.StringIO(source).readline):
            if t.type == tokenize.OP: depth += (t.string in "([{") - (t.string in ")]}")
            row = t.start[0] - 1
            if t.type == tokenize.STRING and t.start[0] in docs and t.start[0] < t.end[0] and "\\" not in t.string:
                long = next((r for r in range(row, t.end[0]) if len(lines[r]) > WIDTH and lines[r].rfind(" ", 40, WIDTH) > 0), None)
                if long is None: continue
                at, indent = lines[long].rfind(" ", 40, WIDTH), " " * t.start[1]
                lines[long : long + 1] = [lines[long][:at], indent + lines[long][at + 1 :]]
                source = "\n".join(lines)
                break
            if t.start[0] != t.end[0] or row >= len(lines) or len(lines[row]) <= WIDTH: continue
            line, new = lines[row], None
            indent = line[: len(line) - len(line.lstrip())]
            if t.type == tokenize.COMMENT and line.strip() != t.string and "fmt:" not in t.string and "noqa" not in t.string:
                words, above = t.string[1:].split(), [indent + "#"]
                for w in words:
                    if len(above[-1]) + 1 + len(w) > WIDTH: above.append(indent + "#")
                    above[-1] += " " + w
                new = [*above, line[: t.start[1]].rstrip()]
            elif t.type == tokenize.COMMENT and line.strip() == t.string and len(line) > WIDTH:
                at = line.rfind(" ", len(indent) + 10, WIDTH)
                if at > 0: new = [line[:at], indent + "# " + line[at + 1 :]]
            elif t.type == tokenize.STRING and t.start[0] in docs and docs[t.start[0]].end_lineno == t.start[0] and line.strip() == t.string:
                quote = t.string[:3] if t.string[:3] in ('"""', "'''") else t.string[0]
                body, out = t.string[len(quote) : -len(quote)].split(" "), [indent + '"""']
                if '"' in "".join(body[-1:])[-1:] or quote[0] != '"' or "\\" in t.string: continue
                for w in body:
                    if len(out[-1]) + 1 + len(w) > WIDTH - 3: out.append(indent + w)
                    else: out[-1] += ("" if out[-1].endswith('"""') and len(out) == 1 and out[-1] == indent + '"""' else " ") + w
                new = [*out[:-1], out[-1] + '"""']
            elif t.type == tokenize.STRING and depth > 0: new = cut(line, t)
            if new and new != [line]:
                lines[row : row + 1] = new
                source = "\n".join(lines)
                break
        else: return source
    return source


def same(a: str, b: str) -> bool:
    def plain(text): return re.sub(r"\s+", " ", ast.dump(ast.parse(text)).replace("\\n", " "))
    return plain(a) == plain(b)


def safely(source: str) -> str:
    try:
        new = wrapped(source)
        return new if same(source, new) else source
    except (SyntaxError, tokenize.TokenError, IndentationError): return source


def main(folders: list[str]) -> None:
    for path in (p for f in folders for p in sorted(Path(f).rglob("*")) if p.suffix in (".py", ".ipynb") and ".ipynb_checkpoints" not in p.parts):
        text = path.read_text()
        if path.suffix == ".py": new = safely(text)
        else:
            nb = json.loads(text)
            for cell in nb["cells"]:
                source = "".join(cell["source"])
                if cell["cell_type"] == "code" and any(len(line) > WIDTH for line in source.split("\n")): cell["source"] = safely(source).splitlines(True)
            new = json.dumps(nb, indent=1, ensure_ascii=False) + "\n"
        if new != text: path.write_text(new)


if __name__ == "__main__": main(sys.argv[1:])
