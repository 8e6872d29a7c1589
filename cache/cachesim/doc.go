// Package cachesim tells how often a cache would hit: it reads traces of
// requests, replays them into caches of every policy and size, and computes
// the best that any policy could do.
//
// # Problem
//
// Whether a policy suits a load cannot be argued, it has to be tried, and not at
// one size: policies change places as a cache grows. And a hit ratio of 40 %
// says little unless one knows that 45 % is all there is.
//
// # Idea
//
// A trace is the keys of the requests, nothing else. Every policy gets the same
// one, at every size, without a clock and with fixed seeds, so that the counts
// are exact and repeat. Belady computes the bound, of a cache that knows the
// future. For LRU one pass finds all sizes (Recency), which checks the LRU that
// is run.
//
// # Invariants
//
//	I1  A file is read as a whole, exactly, or refused with the place of the error.
//	I2  No cache that keeps what was Set has more hits than Belady.
//	I3  The same trace and maker give the same hits, whatever runs beside them.
//	I4  A hit counts only with the value that was set for its key.
//
// # Cost
//
//	memory      8 bytes a request; a map of the unique keys while reading Lines,
//	            and for Unique, Belady and Recency
//	Belady      8 bytes and a bit a request more; some steps each, whatever the size
//	Recency     8 bytes a request more; a logarithm of the length each; all sizes
//	Curve       the requests × the sizes × the policies, on all processors
//
// # Concurrency
//
// Curve runs simulations in parallel and returns when all have ended. Nothing
// else starts a goroutine.
//
// # Trade-offs
//
// Every key counts the same: sizes of values, costs of misses, times and expiry
// are not simulated. There are no writes, no deletes, and one caller: what a
// concurrent cache loses when many hit at once is not seen. Traces are read
// whole, because Belady needs the future.
//
// # References
//
//   - Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5 (2), 1966.
//   - Mattson, Gecsei, Slutz, Traiger, Evaluation techniques for storage hierarchies, IBM Systems Journal 9 (2), 1970.
//   - Megiddo and Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003: the ARC traces.
//   - Jiang and Zhang, LIRS: an efficient low inter-reference recency set replacement policy, SIGMETRICS 2002: the LIRS traces.
package cachesim
