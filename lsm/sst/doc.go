// Package sst is a sorted table in a file: written once, from the first entry to
// the last, and then only read. Log-structured stores are made of such tables.
//
// # Problem
//
// A store that never changes a file in place needs a form of file in which a key
// is found with one read of the disk, in which all entries can be walked in order,
// which says itself that it is damaged, and which is not much larger than what is
// in it.
//
// # Idea
//
// Entries lie in blocks of some 2 KiB, each without what its key has in common
// with the one before. An index, small enough to stay in memory, says which block
// a key is in; a filter, ten bits a key, says that most keys that are not there are
// not there. Whatever is in the file is in a frame with a checksum that also knows
// where it belongs.
//
//	block 0 │ block 1 │ … │ filter │ index │ properties │ footer
//
// # Invariants
//
//	I1  Entries are in the order of Compare: by key, then the newest first.
//	I2  Every byte of a file is in a frame or the footer, and each has a checksum:
//	    damage is ErrCorrupt, never another answer.
//	I3  A key that is in the table is not denied by the filter.
//	I4  A separator of the index is not before the last key of its block and not
//	    behind the first of the next.
//	I5  A block or table in another's place is ErrCorrupt.
//
// # Cost
//
//	Get                no read if the block is cached, else one; two searches in
//	                   memory, a walk of 4 entries at most
//	MayContain         one cache line
//	a key not there    one in a hundred needs a block at ten bits a key
//	memory             the filter, and a separator and 28 bytes a block
//	file               12 bytes an entry beside key and value, 9 a block; less what
//	                   keys have in common and what compresses
//
// # Concurrency
//
// A Table is safe for concurrent use, and its readers take no lock. A Writer, an
// Iterator and a file that is being written belong to one goroutine.
//
// # Trade-offs
//
// The index has one level and stays in memory: a table of 64 MiB has some 1.4 MiB
// of it, with keys of 16 bytes. Larger blocks make it smaller and each read larger. A
// table cannot be changed, so a store needs something that merges them.
//
// # References
//
//   - O'Neil et al., The Log-Structured Merge-Tree, Acta Informatica 1996.
//   - Chang et al., Bigtable, OSDI 2006, 5: the table of which this is a descendant.
//   - Bloom, Space/Time Trade-offs in Hash Coding, CACM 1970.
//   - Putze, Sanders, Singler, Cache-, Hash- and Space-Efficient Bloom Filters, WEA 2007.
package sst
