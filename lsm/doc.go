// Package lsm is a log-structured merge tree: a store of keys and values on disk
// that only ever appends, and sorts later.
//
// # Problem
//
// A tree on disk that is changed in place writes a page for each small change, here
// and there. A log writes one after the other, but finds nothing. The store should
// take writes like a log and answer like a tree.
//
// # Idea
//
// A change goes to a log and to a sorted table in memory. When that is full, it is
// written as a sorted file (sst), which never changes. A reader looks from the newest
// to the oldest; filters spare it most files. So that there are not too many, files
// are merged into ever larger sorted levels, and what is overwritten or deleted goes.
//
//	Put ─▶ log ─▶ memtable ─▶ level 0: tables, newest first ─▶ level 1 … 6: one sorted run each
//
// # Invariants
//
//	I1  acknowledged ⊆ recovered ⊆ issued, in order; a batch is whole or absent.
//	I2  Of a key, what is nearer to the memtable is newer.
//	I3  Below level 0 no two tables of a level have a key in common.
//	I4  Nobody who may read misses an entry that a merge has dropped.
//	I5  The log forgets a change when it is in a table that the manifest knows.
//	I6  After a failed write nothing more is acknowledged.
//	I7  After Open, the directory holds the tables that the manifest knows and no others.
//
// # Cost
//
//	Put        a record of the log, shared with other writers; later, for each level,
//	           the entry once more, and of those below it up to Growth times as much
//	Get        the memtables, and a filter for each table that may have the key; of
//	           those that say yes, a block
//	Scan       a merge of as many runs as there are
//	space      a Growth-th more than what is alive, some memtables, and what snapshots
//	           have held back until something is merged with it
//	memory     up to 3 memtables, the block cache, filters and indexes of all tables
//
// # Concurrency
//
// A DB is safe for concurrent use. Get takes no lock, but for one of the block cache
// when a block comes in. Writers take turns for the order, and wait for the disk
// together. Two goroutines work in the background.
//
// # Trade-offs
//
// Deletions are entries, and space comes back when they have been merged down. A
// range is read from every level. For more reads than writes see btree; for records
// by number, wal.
//
// # References
//
//   - O'Neil et al., The Log-Structured Merge-Tree, Acta Informatica 1996.
//   - Dong et al., Optimizing Space Amplification in RocksDB, CIDR 2017, 3: levels from the bottom.
//   - Pugh, Skip Lists, CACM 1990. Bloom, Space/Time Trade-offs, CACM 1970.
package lsm
