// Package ordered keeps keys in order, in memory: a map, and a set, that also answer what
// comes next, what lies between two keys, and which key is the thousandth.
//
// # Problem
//
// A hash table finds one key and forgets the order. A sorted slice knows the order, but
// whoever inserts moves half of it. A balanced binary tree moves nothing and pays with a
// pointer for each comparison: a million keys are twenty steps apart, and each step waits
// for memory.
//
// # Idea
//
// A B+tree: nodes of up to 63 keys in one piece of memory. Entries are in leaves; nodes
// above only guide. A million keys are four steps apart, and what the processor loads at
// each step, it uses. A full node becomes two, a node with too few is put together with
// its neighbour, and so all leaves stay at one depth. Each inner node knows how many
// entries are below each of its children. A clone shares all nodes until one of the two
// maps changes something: then that one copies the path to it.
//
// # Invariants
//
//	I1  All leaves are at the same depth, and the keys in them ascend.
//	I2  A bound is the last key below its child.
//	I3  A node has a third of what it can have, at least; but for the root and the last leaf.
//	I4  What an inner node counts below a child is there.
//	I5  Nobody changes a node that he reaches through one that is shared, or is itself.
//	I6  Places in a node that are not used are zero.
//
// # Cost
//
//	Get, Rank             a search in each node on a path: 4 of them for a million keys
//	Set, Delete           the same, and half of a leaf moves; seldom a node more
//	At                    the same path, counting instead of comparing
//	walks                 a step in two arrays for each entry; no allocation, when written as
//	                      for … range m.All(); a Get more after each change of the map
//	Clone                 nothing; later, of each map, each node that it changes, once
//	Bulk                  no search; leaves are full
//	memory                entries in random order fill two thirds of the leaves, in ascending
//	                      order all, in descending order half; nodes above take one part in
//	                      20; a map with a single entry of numbers takes 4 KiB
//
// # Concurrency
//
// A Map is safe for concurrent readers; a writer needs exclusive access. Clone reads. A
// clone counts as another map: what two of them share, neither changes.
//
// # Trade-offs
//
// Many maps with a few entries each waste memory: a sorted slice is smaller. Values are kept in the leaves and move with their keys; make
// large ones pointers. Without any need of order, use Go's map.
//
// # References
//
//   - Bayer, McCreight: Organization and Maintenance of Large Ordered Indexes, 1972.
//   - Comer: The Ubiquitous B-Tree, ACM Computing Surveys, 1979 (3: B+trees).
//   - Driscoll et al.: Making Data Structures Persistent, JCSS 1989 (path copying).
package ordered
