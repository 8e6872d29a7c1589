// Package crash cuts the power of whatever keeps its files on a vfs.FS.
//
// # Problem
//
// A store that loses what it has acknowledged, or comes back as something that it
// never was, does so after a power cut at one moment among thousands, and in one of
// the many states that the disk could then be in.
//
// # Idea
//
// A test runs a history of calls on a recording disk, notes for each Call which
// operations of the disk were its own and what the store held when it returned, and
// then tries the states that a Tally yields: after each operation, each state that
// vfs.Recorder knows. Legal says what the store may come back with. Recovery says the
// same of a second power cut, while the store recovers from the first.
//
// A net has holes that nobody sees. So a Witness knows what each operation is about,
// the Tally counts the states during each Happening, and a test fails if there was
// none of some.
//
// # Invariants
//
//	I1  What was durable before the power cut is in every legal state.
//	I2  A stride leaves out states, but no point, event or happening of which there
//	    were few so far.
package crash
