let
  sh = attrs: derivation ({ system = builtins.currentSystem; builder = "/bin/sh"; } // attrs);
  text = builtins.toFile "greeting" "hello\n";
  floating = attrs: sh (attrs // {
    __contentAddressed = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
  });
in rec {
  plain = sh { name = "plain"; args = [ "-c" "echo ${text} > $out" ]; };
  base = floating { name = "base"; args = [ "-c" "echo base > $out" ]; };
  self = floating { name = "self"; outputs = [ "out" "dev" ]; args = [ "-c" "echo $out > $out; echo $out > $dev" ]; };
  user = floating { name = "user"; args = [ "-c" "echo ${base} ${self.dev} > $out" ]; };
}
