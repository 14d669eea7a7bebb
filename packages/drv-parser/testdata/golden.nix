# One derivation for each thing that the format can say; `golden.sh` instantiates them.
let
  make = attributes:
    derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; } // attributes);
  fixed = mode: algorithm: make {
    name = "fixed-${mode}-${algorithm}";
    outputHashMode = mode;
    outputHashAlgo = algorithm;
    outputHash = builtins.hashString algorithm "golden";
  };
  floating = attributes: make ({
    __contentAddressed = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
  } // attributes);
in
rec {
  # Input-addressed
  least = derivation { name = "least"; system = "x86_64-linux"; builder = "/bin/sh"; };
  source = make { name = "source"; src = builtins.toFile "words.txt" "some words\n"; };
  chain = make { name = "chain"; below = source; least = "${least}/bin"; };
  names = make { name = "Names+are-free._?=1"; system = "any system, really"; "a variable!" = "x"; "" = "no name"; };
  builtin = derivation { name = "builtin"; system = "builtin"; builder = "builtin:fetchurl"; url = "https://example.org/"; };
  derivation-as-source = make { name = "derivation-as-source"; drv = builtins.unsafeDiscardOutputDependency source.drvPath; };

  # Several outputs: the variable keeps the order, the list does not
  outputs = make { name = "outputs"; outputs = [ "out" "lib" "a-doc" "Z" "lib.dev" ]; };
  no-out = make { name = "no-out"; outputs = [ "doc" "bin" ]; args = [ ]; };
  users = make { name = "users"; z = outputs.Z; lib = outputs.lib; doc = no-out.doc; self = placeholder "out"; };

  # Fixed
  fixed-flat-md5 = fixed "flat" "md5";
  fixed-flat-sha1 = fixed "flat" "sha1";
  fixed-flat-sha256 = fixed "flat" "sha256";
  fixed-flat-sha512 = fixed "flat" "sha512";
  fixed-nar-md5 = fixed "recursive" "md5";
  fixed-nar-sha1 = fixed "recursive" "sha1";
  fixed-nar-sha256 = fixed "recursive" "sha256";
  fixed-nar-sha512 = fixed "recursive" "sha512";
  fixed-again = make { name = fixed-flat-md5.name; other = "recipe"; outputHash = fixed-flat-md5.outputHash; outputHashAlgo = "md5"; };
  fixed-merged = make { name = "fixed-merged"; a = fixed-flat-md5; b = fixed-again; };

  # Bytes
  escapes = make {
    name = "escapes";
    builder = "/bin/\"sh\"\\";
    args = [ "" " " "\"" "\\" "\n\r\t" "\\n is no line end" "$" "\${x}" "([,])" ];
    "na\"me\\\n" = "v";
    "é" = "é 漢字 𝄞";
    control = builtins.fromJSON "\"\\u0001\\u000b\\u007f\"";
  };
  not-text = make {
    name = "not-text";
    args = [ (builtins.readFile ./bytes.bin) ];
    bytes = builtins.readFile ./bytes.bin;
    "${builtins.readFile ./bytes.bin}" = "the name";
    text = "is text";
  };
  long = make { name = "long"; text = builtins.concatStringsSep "\n" (builtins.genList (n: "${toString n} \"\\\t") 3000); };

  # Attributes
  structured = make {
    name = "structured";
    __structuredAttrs = true;
    outputs = [ "out" "dev" ];
    list = [ 1 (-2) 2.5 1.0e-5 1.0e16 true false null "\"\n" ];
    set = { b.c = [ { } ]; a = source; "10" = 10; "9" = 9; };
    exportReferencesGraph.graph = [ source ];
    outputChecks.out = { maxSize = 100; allowedReferences = [ ]; };
  };
  options = make {
    name = "options";
    requiredSystemFeatures = [ "kvm" "big-parallel" ];
    preferLocalBuild = true;
    allowSubstitutes = false;
    impureEnvVars = [ "HOME" ];
    passAsFile = [ "text" ];
    text = "text\n";
    exportReferencesGraph = [ "graph" source ];
    allowedReferences = [ "out" ];
  };

  # Content-addressed, and what depends on it
  floating-nar = floating { name = "floating-nar"; };
  floating-flat = floating { name = "floating-flat"; outputHashMode = "flat"; outputHashAlgo = "sha512"; };
  floating-outputs = floating { name = "floating-outputs"; outputs = [ "out" "dev" ]; below = source; };
  floating-structured = floating { name = "floating-structured"; __structuredAttrs = true; below = floating-nar; };
  deferred = make { name = "deferred"; a = floating-nar; b = floating-outputs.dev; outputs = [ "out" "lib" ]; };
  deferred-again = make { name = "deferred-again"; a = deferred.lib; };
  fixed-on-floating = make { name = "fixed-on-floating"; a = floating-nar; outputHashAlgo = "sha256"; outputHash = fixed-nar-sha256.outputHash; };
  on-fixed-on-floating = make { name = "on-fixed-on-floating"; a = fixed-on-floating; };
  impure = make { name = "impure"; __impure = true; };
  impure-flat = make { name = "impure-flat"; __impure = true; outputHashMode = "flat"; outputHashAlgo = "sha1"; };
  on-impure = make { name = "on-impure"; __impure = true; a = impure; };
}
