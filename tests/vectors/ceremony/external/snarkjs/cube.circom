pragma circom 2.1.6;
template Cube() { signal input a; signal input b; signal output out; signal c; c <== a * a; out <== 3 * c * a - b + 5; }
component main {public [b]} = Cube();
