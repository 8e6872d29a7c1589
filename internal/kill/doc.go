// Package kill kills a process that works on the disk, again and again.
//
// # Problem
//
// A process dies at any moment, with locks held, buffers half full and files half
// written. Nothing inside of it can play that: what is deferred would run, and what
// it knows would live on.
//
// # Idea
//
// The test runs its own binary as a child, with one test in it that works on a
// directory until it dies, and says on its standard output what it is about to do
// and what has been acknowledged. After a random number of such lines SIGKILL ends
// it. Then the test opens what is left, compares, and lets the next child go on with
// the same directory: Loop does that.
//
// What stores of keys do in the child, and what they must hold after it, follows from
// one number for each writer: Work says how. Claims compares the number that is found
// with those that the children have told.
//
// # Invariants
//
//	I1  What was acknowledged in one life, or found after it, is there after every
//	    later one.
//	I2  A child never ends by itself: that fails the test.
package kill
