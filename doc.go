// Package plinth is a collection of small, tested implementations of the
// primitives that systems are built of. Each package is one concept: to read,
// to measure and to import on its own. This package holds nothing but the map
// and a tour: go test -bench ./... in this directory runs one headline
// benchmark per package.
//
// # Packages
//
// In the order to read them:
//
//	vfs    the file system as storage engines need it: the real one, one in
//	       memory, every disk state that a power cut could leave, injected
//	       faults, and counters of bytes and syncs
//	wal    a segmented write-ahead log with group commit, on vfs
//	cache  eviction policies, one textbook each; a concurrent cache whose reads
//	       take no lock; loading, write-through and write-back on top of it
//	lsm    a log-structured merge tree on wal, leveled, and lsm/sst, its sorted
//	       tables in files
//	btree  a B+tree on disk, copied in memory and logged on wal
//	btree/ordered
//	       a map and a set that know the order of their keys, in memory
//	ratelimit
//	       whether an event may happen now: buckets in one atomic word
//	hashring
//	       which node a key is on, so that few move when nodes come and go
//	breaker
//	       when to stop asking: a circuit breaker, and the guards around it
//	vclock what happened before what: Lamport, vector, dotted, hybrid and
//	       interval tree clocks
//	crdt   data that many change without asking, and that is equal again as soon
//	       as all have heard of all: counters, registers, sets, maps
//	bench  go run ./bench measures on your disk what the packages cost, and
//	       draws a report; its parts (hist, load, plot …) serve any benchmark
//
// Start a package with its README.md, which is the lesson, then its doc.go,
// which is the contract: the problem, the idea, the invariants by number, and
// when to use something else. Files are named after what a lecturer writes on
// the board, and each begins with its main type.
//
// # Rules that hold everywhere
//
// A type says who may share it. A directory is opened with Open(dir, Options),
// and a zero option means its documented default. Errors wrap sentinels and
// name file and offset. Whatever writes to disk does so through vfs.FS, so
// that tests can cut its power at every operation.
package plinth
