package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHashRings proves that each ring does the work that is measured. Planted and caught: a
// ring of 1 virtual node, replicas that have a node twice or begin with the second one, a Remove
// that does nothing, an Add that loses another node, loops that leave out a key or a replica.
func TestHashRings(t *testing.T) {
	keys, names := newHashKeys(20_000), nodeNames(20)
	for _, impl := range ringImpls() {
		t.Run(impl, func(t *testing.T) {
			ring, err := openRing(impl, names)
			require.NoError(t, err)
			before := requireLocates(t, ring, keys, names)
			if r, ok := ring.(hashReplicator); ok {
				used := 0
				for i, key := range keys.names {
					replicas := r.Replicas(key)
					require.Len(t, replicas, hashReplicas)
					require.Equal(t, before[i], replicas[0])
					for j, name := range replicas {
						require.NotContains(t, replicas[:j], name)
						used += len(name)
					}
				}
				require.Equal(t, used, r.ReplicateAll(keys))
			}

			require.NoError(t, ring.Add("another"))
			for i, name := range requireLocates(t, ring, keys, append(slices.Clone(names), "another")) {
				if name != before[i] {
					require.Equal(t, "another", name)
				}
			}
			require.NoError(t, ring.Remove("another"))
			require.Equal(t, before, requireLocates(t, ring, keys, names))
			require.NoError(t, ring.Remove(names[7]))
			requireLocates(t, ring, keys, slices.Delete(slices.Clone(names), 7, 8))
		})
	}
}

// TestHashRingless is the same for what has no ring. Planted and caught: a Jump among one
// bucket less than there are.
func TestHashRingless(t *testing.T) {
	keys, names := newHashKeys(20_000), nodeNames(20)
	for _, impl := range ringlessLookups().impls {
		rendezvous, err := openRendezvous(impl, names)
		require.NoError(t, err)
		requireLocates(t, rendezvous, keys, names)

		jump, sum := openJump(impl, names), 0
		for _, key := range keys.names {
			sum += slices.Index(names, jump.Locate(key))
		}
		require.Equal(t, sum, jump.LocateAll(keys))
		require.InEpsilon(t, 20_000*9.5, sum, 0.02)
	}
}

// requireLocates: each node has its share of the keys, about, and nobody else has any; and
// the loop that is measured asks for the same keys. It returns their nodes.
func requireLocates(t *testing.T, l hashLocator, keys hashKeys, names []string) (nodes []string) {
	t.Helper()
	counts, used := make(map[string]int), 0
	for _, key := range keys.names {
		name := l.Locate(key)
		counts[name]++
		used += len(name)
		nodes = append(nodes, name)
	}
	require.Len(t, counts, len(names))
	for _, name := range names {
		require.Greater(t, counts[name], len(keys.names)/len(names)/3, name)
	}
	require.Equal(t, used, l.LocateAll(keys))
	return nodes
}

// TestHashComparisons makes the tables, with little work.
func TestHashComparisons(t *testing.T) {
	for pattern, rows := range map[string]int{"Hashring/.*nodes=100?/": 6, "HashringChange": 3, "HashringShares/.*=10$": 5} {
		var out, progress bytes.Buffer
		args := []string{"-run", pattern, "-rounds", "1", "-scale", "0.01", "-dir", t.TempDir()}
		require.Zero(t, program(t.Context(), args, &out, &progress), progress.String())
		require.Equal(t, rows, bytes.Count(out.Bytes(), []byte("  Hashring")), out.String())
	}
}
