// Peers measures the module's packages beside other people's, on the same
// work, the same directory and at the same durability.
//
//	go run . -rounds 5
//
// runs every comparison five times in mixed order and prints medians and
// ratios; README.md says how each peer is configured. The same work is there
// as benchmarks, for profiles and for benchstat:
//
//	go test -run='^$' -bench=Append -dir=/some/disk .
//
// It is a module of its own, so that an importer of a primitive inherits no
// peer.
package main
