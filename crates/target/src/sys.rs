//! The only `unsafe` of leakscope: system calls behind safe signatures.
