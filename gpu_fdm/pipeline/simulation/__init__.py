"""The stage [simulation]: the same random modes evolved as a wave and as particles."""
