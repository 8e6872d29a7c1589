// Package wal is a segmented write-ahead log: numbered records, appended to
// files, that are still there after a crash.
//
// # Problem
//
// A store that keeps its state in memory, or changes files in place, loses or
// tears what a crash interrupts. So it first writes down what it is about to
// do, in order, and replays that later. The log must then answer for two
// things: what it acknowledged is never lost, and what it never finished is
// never taken for real. Neither may cost a disk flush per record.
//
// # Idea
//
// Records become frames whose checksum includes the frame before, the place,
// and the segment's number: a frame is valid only where it was written, behind
// what it was written behind. It also says how much of the segment was on disk
// when it was written, which later tells damage from a torn end. Concurrent
// appenders share one flush: who finds nobody committing commits for all.
//
// # Invariants
//
//	I1  Indexes have no gaps: the log holds first to next-1.
//	I2  acknowledged ⊆ recovered ⊆ issued, in order; a batch is whole or absent.
//	I3  A segment gets its first frame when all before it is sealed and on disk.
//	I4  A frame never validates at another place, or in another life of its file.
//	I5  Behind the last frame of an open log lies nothing that could follow it.
//	I6  After a failed write or sync nothing is written and nothing acknowledged.
//	I7  A reader sees only what is acknowledged at the log's durability.
//
// # Cost
//
//	Append, one writer      one write, one flush (fdatasync) into space that exists already
//	Append, N writers       1/N of that
//	framing                 24 bytes and padding to 8 a record, 4 KiB a segment
//	zero-filling            each byte of a new segment once more; none in a recycled one
//	Read                    a binary search in memory, one read of about 4 KiB
//	Open, Verify, Records   every byte is read once, by Records twice
//	TruncateFront, -Back    one frame, one flush; files are renamed or removed, never rewritten
//	memory                  16 bytes per 4 KiB of log, two buffers of the largest group
//
// # Concurrency
//
// A Log is safe for concurrent use. It starts no goroutine and no timer: the
// callers do the work. Readers take a lock for a look-up and hold none while
// they read.
//
// # Trade-offs
//
// Every segment stays open and Open reads everything: truncate the front when
// a checkpoint makes it superfluous. Records dropped by TruncateBack keep their
// space until the front passes them. A log that fails stays failed until it is
// reopened. For many small logs, or keys instead of indexes, use a database.
//
// # References
//
//   - Mohan et al., ARIES, TODS 1992: logging ahead of writing, replay in order.
//   - DeWitt et al., Implementation Techniques for Main Memory Databases, SIGMOD 1984, 4: group commit.
//   - Pillai et al., All File Systems Are Not Created Equal, OSDI 2014: what a crash leaves.
//   - Rebello et al., Can Applications Recover from fsync Failures?, ATC 2020: why an error is final.
package wal
