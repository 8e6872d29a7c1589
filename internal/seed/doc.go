// Package seed gives tests randomness that can be replayed.
//
// # Problem
//
// A random test that fails once in a thousand runs is worth nothing if nobody
// can make it fail again.
//
// # Idea
//
// Every run of a test takes a fresh seed, so that a thousand runs try a
// thousand cases. A test that fails logs the seed and the command that replays
// it. The flag -seed, or the environment variable PLINTH_SEED where several
// packages run at once, fixes the seed.
//
// # Invariants
//
//	I1  The same seed gives the same test the same numbers; another test gets
//	    others, so that two tests of a package do not walk in step.
//	I2  A test that passes logs nothing.
package seed
