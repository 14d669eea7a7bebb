/** What is built on both sides: the names of attributes of `expression`, in this order. */
export const cases = [
  { name: "B5: all it sees", attribute: "world" },
  { name: "B6: all it sees, fixed output", attribute: "fixedWorld", fromLog: true },
  { name: "B5: all it sees, 32 bits", attribute: "world32" },
  { name: "B1: environment", attribute: "environment" },
  { name: "B1: fixed-output environment", attribute: "fixedEnvironment", fromLog: true },
  { name: "B2: structured attributes", attribute: "structured" },
  { name: "B2: no attributes", attribute: "structuredEmpty" },
  { name: "B2: no JSON", attribute: "structuredBroken", fails: true },
  { name: "B2: no object", attribute: "structuredArray", fails: true },
  { name: "B2: a number too large", attribute: "structuredOverflow", fails: true },
  { name: "B3: passAsFile", attribute: "passed" },
  { name: "B4: references graph", attribute: "graph" },
  { name: "B4: references graph of a derivation", attribute: "graphOfDerivation" },
  { name: "B4: structured references graph", attribute: "structuredGraph" },
  { name: "B4: outside the input closure", attribute: "graphOutside", fails: true },
  { name: "B4: odd number of words", attribute: "graphOdd", fails: true },
  { name: "B4: no file name", attribute: "graphName", fails: true },
  { name: "B4: outside the store", attribute: "graphElsewhere", fails: true },
];

/** What the processes that build have in their environment, for the variables that let it through. */
export const impure = { WORLD_SET: "a=b 'c' \"d\"\n\te \\", WORLD_EMPTY: "" };

const attrs = String.raw`{
  "text": "it's \"quoted\"\n\ttab \u0007 \u001f \u007f é \ud83d\ude00 \\ / $HOME $(x) ${"`y`"}",
  "empty": "", "blank": " ", "quote": "'", "quotes": "''", "newline": "\n",
  "nothing": null, "yes": true, "no": false,
  "int": 42, "negative": -7, "minusZero": -0, "zero": 0, "maxInt": 2147483647, "minInt": -2147483648,
  "overInt": 2147483648, "underInt": -2147483649, "past53": 9007199254740993, "float32": 16777217,
  "maxSigned": 9223372036854775807, "maxUnsigned": 18446744073709551615, "minSigned": -9223372036854775808,
  "overUnsigned": 18446744073709551616, "underSigned": -9223372036854775809,
  "whole": 1.0, "exponent": 1e3, "minusZeroFloat": -0.0, "tiny": 1e-5, "small": 0.0001, "huge": 1e16, "large": 1e15, "below": 123456789012345.0,
  "half": 0.5, "third": 0.3333333333333333, "pi": 3.141592653589793, "max": 1.7976931348623157e308, "least": 5e-324,
  "grisu": 4.1752050594835e+78, "whole32": 16777217.5, "part32": 8388607.5, "under32": 1e-46,
  "10": "ten", "2": "two", "02": "padded", "__proto__": "own", "constructor": {"prototype": null}, "toString": 1,
  "list": ["a b", 1, true, false, null, "it's"], "emptyList": [], "floats": [0.5], "wholes": [1.0, 2e2],
  "nested": [["x"], {"y": []}], "deepList": [[[[1]]]], "listOfEmpty": [[]], "mixed": ["x", ["y"]],
  "map": {"b": 1, "a'c": "d'e", "10": "x", "9": "y", "": null, "é": 1, "a\nb": 2, "]": 3}, "emptyMap": {}, "deep": {"a": {"b": "c"}},
  "mapOfFloat": {"a": 0.5}, "mapOfWhole": {"a": 2.0},
  "not-a-name": "x", "1st": "x", "_ok": "x", "_": "y", "ünicode": "x", "new\nline": "x", "": "unnamed", "a.b": 1, "trailing ": 1,
  "\uffff": "last of the plane", "\ud83d\ude00": "beyond it",
  "repeated": "first", "repeated": "last",
  "outputs": ["replaced"], "builder": "x", "out": "own", "PATH": "x",
  "passAsFile": ["text"],
  "placeholder": "PLACEHOLDER/bin"
}`;

const nixText = (text) => `''${text.replaceAll("''", "'''").replaceAll("${", "''${")}''`;

/** `lib` is referred to by `app`; the rest prints what it gets. */
export const expression = `
let
  make = name: args: more: derivation ({
    inherit name args;
    system = "x86_64-linux";
    builder = "/bin/world";
  } // more);
  fixed = { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "fixed"; };
in rec {
  structure = name: json: more:
    make name [ "files" (placeholder "dev") (placeholder "out") ] ({ outputs = [ "out" "dev" ]; __json = builtins.unsafeDiscardStringContext json; inputs = [ app lib ]; } // more);
  lib = make "lib" [ "copy" "lib" ] { };
  app = make "app" [ "copy" lib (placeholder "out") ] { };
  other = make "other" [ "copy" "other" ] { };
  world = make "world" [ "world" "an argument" "" "two\\nlines" ] { input = lib; };
  world32 = make "world32" [ "world" ] { system = "i686-linux"; input = lib; };
  fixedWorld = make "fixed-world" [ "world" ] (fixed // { input = lib; });
  environment = make "environment" [ "files" (placeholder "dev") ] {
    outputs = [ "out" "dev" ];
    PATH = "/own/path"; HOME = "/own/home"; NIX_STORE = "/own/store"; NIX_BUILD_CORES = "own";
    TMPDIR = "/own"; TEMPDIR = "/own"; TMP = "/own"; TEMP = "/own"; PWD = "/own"; NIX_BUILD_TOP = "/own";
    NIX_LOG_FD = "9"; TERM = "dumb"; NIX_REMOTE = "own"; NIX_OUTPUT_CHECKED = "own"; impureEnvVars = "WORLD_SET";
    text = "two\\nlines\\ttab 'single' \\"double\\" \\\\ é = ="; empty = ""; zero = 0; yes = true; no = false; nothing = null;
    list = [ "a" "b c" 1 true null ]; "odd name" = "x"; "1" = "one"; "a-b.c" = "x"; LANG = "x"; ZZZ = "last"; _ = "own";
    bytes = "BYTES"; own = placeholder "out"; twice = "\${placeholder "out"}:\${placeholder "out"}"; "in\${placeholder "out"}name" = "x";
    second = placeholder "dev"; foreign = placeholder "lib"; inherit app;
  };
  fixedEnvironment = make "fixed-environment" [ "files" ] (fixed // {
    impureEnvVars = "WORLD_SET WORLD_EMPTY WORLD_UNSET TMPDIR NIX_OUTPUT_CHECKED TERM NIX_LOG_FD PATH";
    WORLD_UNSET = "own"; PATH = "/own/path"; NIX_OUTPUT_CHECKED = "own";
  });
  structured = structure "structured" (builtins.replaceStrings [ "PLACEHOLDER" ] [ (placeholder "out") ] ${nixText(attrs)}) { PATH = "/own"; passAsFile = "name"; };
  structuredEmpty = structure "structured-empty" "{}" { };
  structuredBroken = structure "structured-broken" "{" { };
  structuredArray = structure "structured-array" "[1]" { };
  structuredOverflow = structure "structured-overflow" ''{"a":1e999}'' { };
  passed = make "passed" [ "files" ] {
    bytes = "BYTES"; passAsFile = [ "bytes" "foo" "empty" "lines" "odd name" "foo" "absent" "own" "shadowed" ];
    foo = "text"; empty = ""; lines = "two\\nlines\\n"; "odd name" = "x"; own = "see \${placeholder "out"}";
    shadowed = "file"; shadowedPath = "mine"; kept = "variable";
  };
  graph = make "graph" [ "files" ] { exportReferencesGraph = [ "app" app "lib.graph" lib "below" "\${app}/bin/x" ]; };
  graphOfDerivation = make "graph-of-derivation" [ "files" ] { exportReferencesGraph = [ "drvs" app.drvPath ]; };
  structuredGraph = structure "structured-graph"
    ''{"exportReferencesGraph":{"one":["\${app}"],"text":"\${lib}","both":["\${lib}","\${app}"],"none":[]},"one":"replaced"}'' { };
  graphOutside = make "graph-outside" [ "files" ] {
    exportReferencesGraph = [ "graph" (builtins.unsafeDiscardStringContext "\${other}") ];
  };
  graphOdd = make "graph-odd" [ "files" ] { exportReferencesGraph = [ "graph" app "more" ]; };
  graphName = make "graph-name" [ "files" ] { exportReferencesGraph = [ "../graph" app ]; };
  graphElsewhere = make "graph-elsewhere" [ "files" ] { exportReferencesGraph = [ "graph" "/etc/passwd" ]; };
}`;
