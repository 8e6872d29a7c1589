// Package btree is a B+tree on disk: a store of keys and values that is read like a sorted
// array, with transactions and snapshots.
//
// # Problem
//
// A tree that is changed in place is torn by a crash. One that copies each page that it
// changes (bbolt, LMDB) is not, but writes a whole path of pages, and waits twice for the
// disk, to change a hundred bytes.
//
// # Idea
//
// Pages are copied, but in memory. A commit is one record of a log, and commits that come
// together share one flush. Now and then a checkpoint writes the pages that have changed
// since the last one, each once, to free places, and then one of two meta pages, which
// makes them the tree. What a reader has begun with is never changed under him.
//
//	Put ─▶ copy the path in memory ─▶ log ─▶ new root   …   checkpoint: pages ─▶ meta ─▶ log empty
//
// # Invariants
//
//	I1  acknowledged ⊆ recovered ⊆ issued, in order; a transaction is whole or absent.
//	I2  A page that a version has is not changed while the version can be reached.
//	I3  No page is written over that the last checkpoint has.
//	I4  Each page behind the two meta pages is in the tree, in the map, held, or free.
//	I5  The log forgets a transaction only when a meta page on the disk has it.
//	I6  Readers see what is as durable as the store promises, and nothing else.
//	I7  After a failed write nothing more is acknowledged.
//
// # Cost
//
//	Put         a path of pages copied in memory, a record of the log; later, once per
//	            checkpoint, each page that has changed
//	Get         a page per level; those in memory without a lock
//	Scan        the leaves in order, each once
//	checkpoint  the changed pages, what of the map changes, two flushes
//	space       pages are half to all full, after deletions a quarter and some less; the old
//	            place of one that has changed is kept until the next checkpoint; a reader
//	            keeps at most the tree that it began with; in memory, pages of before
//
// # Concurrency
//
// A DB is safe for concurrent use: one transaction writes at a time, any number read, and
// neither waits for the other. A Tx and a Cursor belong to one goroutine. A goroutine of
// the DB begins checkpoints.
//
// # Trade-offs
//
// A random change costs a page, where an LSM tree appends it: for more writes than reads,
// see lsm. Pages are in memory beside those of the operating system; bbolt maps the file.
//
// # Differences from the paper
//
// Pages join below a quarter, not a half, and nothing moves between two that both stay.
//
// # References
//
//   - Bayer and McCreight, Organization and Maintenance of Large Ordered Indices, Acta Informatica 1972.
//   - Graefe, Modern B-Tree Techniques, 2011: 2.3 prefixes and heads, 6 logging.
//   - Lorie, Physical Integrity in a Large Segmented Database, TODS 1977: shadow pages.
package btree
