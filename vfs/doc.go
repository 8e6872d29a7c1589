// Package vfs is the disk as a storage engine sees it: the operating system's
// files behind a small interface, and disks in memory that crash, fail and count.
//
// # Problem
//
// A write that has returned is in a cache. A power cut may keep it, lose it, keep
// a later one without it, or keep half of it; a name may be lost although the file is
// safe. Code that is right on every day but that one cannot be tested on a
// real disk, and a cut cable tests one state of thousands.
//
// # Idea
//
// Engines call FS and File. In production that is OS. In a test it is a
// Recorder, which writes down each operation; afterwards Crashes works out
// every disk that a power cut at any point could leave, and the test recovers
// from each. Injector fails one operation, Counter counts them. All wrap an FS
// and are one, so that they stack.
//
// # Invariants
//
//	I1  Mem, and each wrapper that is not told to act, behaves as OS does.
//	I2  What a barrier covers is in each crash state: of a Sync the bytes and the
//	    length of that file, of a SyncDir the names in that directory. Neither
//	    covers the other.
//	I3  Whatever no barrier covers may be lost or kept on its own; a rename is
//	    lost or kept as a whole; a write is torn only between sectors of 512 bytes.
//	I4  The states of one point differ from each other and share nothing that can
//	    be changed. They are the same in each run.
//	I5  A failed operation has no effect, except half of a Short one.
//
// # Cost
//
//	crash states of a point   at most 6n + 18 per sector boundary in pending writes, for
//	                          n pending operations; 2^(names+1) more for up to 4 names
//	one crash state           the names of the disk and the pages that n operations touch
//	Mem.Clone                 a pointer per 4 KiB page
//	Counter, Injector         a few atomic additions for each call, no allocation
//
// # Concurrency
//
// Every FS and File here is safe for concurrent use. A Recorder does one operation at
// a time, so that its history has one order.
//
// # Trade-offs
//
// States are enumerated, not all 2^n subsets: with more than four pending
// names or several writes they are the suspicious ones and some random ones. What
// is written in one sector is never damaged by a later neighbour, and nothing rots:
// flip bits for that. For a real kernel use dm-flakey or LazyFS.
//
// # References
//
//   - Pillai et al., All File Systems Are Not Created Equal, OSDI 2014, section 3.
//   - Rebello et al., Can Applications Recover from fsync Failures?, ATC 2020.
//   - Mohan et al., Finding Crash-Consistency Bugs with Bounded Black-Box Crash
//     Testing, OSDI 2018.
package vfs
