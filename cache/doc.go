// Package cache keeps what is likely to be asked for again: Cache for programs
// with goroutines; Loading, WriteThrough, WriteAround and WriteBack, which stand
// between it and a database; and each eviction policy as a textbook (Policy).
//
// # Problem
//
// Memory is small, so a cache must decide, each time that something new comes,
// what to forget. Plain LRU forgets everything for one scan; plain LFU keeps
// yesterday's favourites; and a cache that moves an entry to the front of a list
// on each read makes all readers wait for one lock.
//
// # Idea
//
// Cache divides its entries into a window for what is new and a main queue for
// what has proved itself, and learns from the ghosts of what it has thrown out
// which of the two should be longer. A read counts a hit in the entry, up to
// three, and does nothing else, so it takes no lock. A writer settles later,
// under the lock of one shard, what those hits mean. Setting a key again swaps one
// pointer, or stores one word.
//
// # Invariants
//
//	I1  A Get that begins after a Set of its key has returned finds that value
//	    or a later one, unless it was evicted, deleted or has expired since.
//	I2  MaxEntries and MaxCost hold whenever a lock is free.
//	I3  Every value that was stored and has left was given to OnEvict once,
//	    with the reason, under no lock.
//	I4  No value is returned at or after its deadline.
//	I5  One Set takes out at most 8 expired entries, that of its key among them.
//
// # Cost
//
//	Get                      no lock, no allocation; two cache lines
//	Set of a present key     one allocation, none for a number or pointer; the lock only
//	                         with times to live or costs, or when somebody else is at it
//	Set of a new key         one allocation, the lock of one shard; O(1) amortised
//	memory beside the item   about 14 bytes of table, 20 of slot, 8 to 32 of sketch, 2 of ghosts
//	an entry that can expire about 57 bytes more, and a clock read for each Get
//
// # Concurrency
//
// A Cache is safe for concurrent use, and so is calling it from OnEvict. It
// starts no goroutine. What may be read without the lock, and why that is
// right, is argued in table.go and word.go.
//
// # Trade-offs
//
// One shard per 1,024 entries lets writers pass each other; each learns for
// itself, which costs a little of the hit ratio. With a bound on the cost there
// is one shard, unless Config.Shards says otherwise. A map with a lock is enough
// where all keys fit.
//
// # References
//
// Einziger, Friedman, Manes: TinyLFU, a highly efficient cache admission policy,
// 2017 (sketch and admission). Megiddo, Modha: ARC, 2003 (ghosts that steer).
// Corbató: a paging experiment, 1968 (CLOCK). Cormode, Muthukrishnan: the
// count-min sketch, 2005. Varghese, Lauck: hashed and hierarchical timing
// wheels, 1987.
package cache
