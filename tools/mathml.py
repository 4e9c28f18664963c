"""Formulas as MathML: the site's own MathJax translates them, in Chromium.

What MathJax writes is meant for itself. Readers of EPUB draw MathML Core, which knows no alphabets but Unicode's, no alignment
but that of CSS, and spaces operators by its own dictionary; so what MathJax knows of these is said in Core's words.
"""

import unicodedata
from pathlib import Path
from xml.etree import ElementTree

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")
ALPHABETS = {
    "bold": "BOLD",
    "bold-italic": "BOLD ITALIC",
    "double-struck": "DOUBLE-STRUCK",
    "fraktur": "FRAKTUR",
    "monospace": "MONOSPACE",
    "sans-serif": "SANS-SERIF",
    "script": "SCRIPT",
}
ACCENTS = ("^", "~", "\u02c6", "\u02dc", "\u00af", "\u02c9", "\u2015", "\u02d9", "\u00a8")
SIGNS = ("+", "\u2212", "\u00b1", "\u2213", "\u22c5")
ORDINARY = ("|", "\u2016", "\u2225", "\u2026", "\u22ef")
APPLIED = "\u2061"  # between a function and what it is of
CLOSING = (*ORDINARY, *")]}!\u27e9\u2032", APPLIED)
TIGHT = {"lspace": "0", "rspace": "0"}
THIN = "0.167em"
TRANSLATE = """async formulas => {
    await MathJax.startup.promise;
    const translated = [];
    for (const [tex, display] of formulas) translated.push(await MathJax.tex2mmlPromise(tex, {display}));
    return translated;
}"""


def translated(browser, site, formulas):
    """The MathML of each formula, a pair of its TeX and whether it is displayed; a formula that MathJax rejects is an error."""
    script = Path(site) / "_static" / "mathjax" / "tex-chtml.js"
    if not script.is_file():
        raise FileNotFoundError(f"{script}: the site has no MathJax; run make book")
    tab = browser.new_page()
    tab.goto(script.parent.as_uri())  # the folder's listing: a page from which a script on the disk may be loaded
    tab.add_script_tag(url=script.as_uri())
    found = tab.evaluate(TRANSLATE, formulas)
    tab.close()
    return [core(text, tex) for text, (tex, _) in zip(found, formulas)]


def core(text, tex):
    """MathJax's MathML of a formula in the words of MathML Core."""
    root = ElementTree.fromstring(text.replace(f' xmlns="{NAMESPACE}"', ""))
    if root.find(".//merror") is not None:
        raise ValueError(f"MathJax cannot read the formula {tex!r}: {''.join(root.itertext()).strip()}")
    for node in root.iter():
        node.text, node.tail = node.text and node.text.strip(" \n"), None
    for node in root.iter():
        space(node)
        align(node)
    for node in root.iter():
        spell(node)
    root.attrib = {"xmlns": NAMESPACE, **root.attrib, "alttext": " ".join(tex.split())}
    return ElementTree.tostring(root, encoding="unicode")


def space(node):
    """The space about operators, by TeX's classes: Core sees a row without them."""
    before = None
    for child, after in zip(node, [*node[1:], None]):
        kind, text = child.get("data-mjx-texclass"), child.text or ""
        if child.tag == "mo" and kind in ("OPEN", "CLOSE"):
            child.set("form", "prefix" if kind == "OPEN" else "postfix")
        elif child.tag == "mo" and text.isalpha():
            child.attrib |= {"lspace": "0" if before is None or opens(before) else THIN}
            child.set("rspace", "0" if after is None or first(after).tag == "mo" else THIN)
        elif child.tag == "mo" and (text in ORDINARY or text in SIGNS and (before is None or opens(before))):
            child.attrib |= TIGHT
        elif child.tag == "mrow" and kind == "ORD" and [part.tag for part in child] == ["mo"]:
            child[0].attrib |= TIGHT
        before = child if first(child).tag != "mspace" else before
    if node.tag in SCRIPTS:
        for operator in (part for child in node[1:] for part in child.iter("mo")):
            operator.attrib |= TIGHT
        if node.tag == "mover" and node[1].text in ACCENTS:
            node.set("accent", "true")
    elif node.tag in ("math", "mrow", "mtd", "mstyle"):
        for i in reversed(range(len(node))):
            if not is_function(node[i]):
                continue
            after = i + 2 if i + 1 < len(node) and node[i + 1].text == APPLIED else i + 1
            if after < len(node) and first(node[after]).tag not in ("mo", "mspace"):
                node.insert(after, ElementTree.Element("mspace", width=THIN))
            if i and node[i - 1].tag not in ("mo", "mstyle", "mspace") and first(node[i - 1]).text not in ORDINARY:
                node.insert(i, ElementTree.Element("mspace", width=THIN))


def opens(node):
    """Whether what follows begins anew, as after a sign, a comma or an opening bracket."""
    return node.tag == "mo" and node.text not in CLOSING and node.get("form") != "postfix"


def is_function(node):
    """Whether this is a name such as ln or tr, with its scripts, and not a word set upright."""
    while node.tag in SCRIPTS:
        node = node[0]
    return node.tag == "mi" and len(node.text or "") > 1 and "data-mjx-auto-op" not in node.attrib


def first(node):
    while len(node) and node.tag in ("mrow", "mstyle", *SCRIPTS):
        node = node[0]
    return node


def align(node):
    """The alignment of columns, as classes; of two columns that meet, as about a sign, it leaves the last one no space."""
    if node.tag != "mtable":
        return
    sides = (node.get("columnalign") or "center").split()
    tight = (node.get("columnspacing") or "1em").split()
    for row in node.iter("mtr"):
        if row not in list(node):
            continue
        for i, cell in enumerate(row):
            side = sides[min(i, len(sides) - 1)]
            meets = [side[0]] if side != "center" else []
            meets += ["met"] if i and tight[min(i - 1, len(tight) - 1)] == "0em" else []
            meets += ["meets"] if i + 1 < len(row) and tight[min(i, len(tight) - 1)] == "0em" else []
            if meets:
                cell.set("class", " ".join(meets))


def spell(node):
    """Letters of other alphabets as Unicode's, and no marks that are MathJax's own."""
    alphabet = ALPHABETS.get(node.get("mathvariant"))
    if node.tag == "mtext" and alphabet == "BOLD":
        node.attrib = {"style": "font-weight: bold"}
    elif alphabet:
        node.text = "".join(letter(character, alphabet) for character in node.text)
        node.attrib.pop("mathvariant")
    node.attrib = {name: value for name, value in node.attrib.items() if not name.startswith("data-")}


def letter(character, alphabet):
    """Unicode's letter of an alphabet; the few that it had before the others are named without "mathematical"."""
    name = unicodedata.name(character).replace("LATIN ", "").replace("GREEK ", "").replace("LETTER ", "")
    try:
        return unicodedata.lookup(f"MATHEMATICAL {alphabet} {name}")
    except KeyError:
        return unicodedata.lookup(f"{alphabet.replace('FRAKTUR', 'BLACK-LETTER')} {name}")
