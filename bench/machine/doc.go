// Package machine describes where a measurement was made.
//
// # Problem
//
// A time without its machine is no measurement: what an fsync costs differs a
// thousandfold between a disk behind a network, a drive with a battery, and a
// RAM file system that ignores it.
//
// # Idea
//
// Ask the operating system what is cheap to know, measure the one number that
// everything durable hangs on, and leave out what cannot be found. Nothing here
// fails: an empty field means unknown.
//
// # Cost
//
// Describe takes as long as 51 fsyncs of 4 KiB: some tens of milliseconds on
// a solid-state disk, half a second on a spinning one.
//
// # Concurrency
//
// The functions keep nothing and may be called from anywhere.
package machine
