package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
	jump "github.com/dgryski/go-jump"
	"github.com/dgryski/go-rendezvous"
	"github.com/golang/groupcache/consistenthash"
	serialx "github.com/serialx/hashring"
	stathat "stathat.com/c/consistent"

	ours "github.com/plinth-go/plinth/hashring"
)

const (
	implStathat    = "stathat"
	implSerialx    = "serialx"
	implGroupcache = "groupcache"
	implDgryski    = "dgryski"
	implSort       = "sort" // of as many random hashes and nothing else: the ring is sorted with that
)

const (
	hashVirtual  = 160 // places of a node on a ring
	hashReplicas = 3
)

// hashKeys are keys and their hashes. They are immutable, and safe for concurrent use.
type hashKeys struct {
	names  []string
	hashes []uint64
}

// newHashKeys makes keys in random order. They lie in memory as they are used, so that
// fetching them is not what takes the time.
func newHashKeys(n int) hashKeys {
	k := hashKeys{make([]string, n), make([]uint64, n)}
	for i, number := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		k.names[i] = fmt.Sprintf("user/%08d", number)
		k.hashes[i] = xxhash.Sum64String(k.names[i])
	}
	return k
}

// twice returns the keys, and all of them once more.
func (k hashKeys) twice() hashKeys {
	return hashKeys{append(k.names[:len(k.names):len(k.names)], k.names...), append(k.hashes[:len(k.hashes):len(k.hashes)], k.hashes...)}
}

func (k hashKeys) part(from, to int) hashKeys { return hashKeys{k.names[from:to], k.hashes[from:to]} }

// nodeNames makes names of one length.
func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("cache-%04d", i)
	}
	return names
}

// hashLocator is what tells the nodes of keys in any library. LocateAll returns a number
// that needs each node. It is a loop of its own in each library, so that no call through an
// interface is measured. Both are safe for concurrent use.
type hashLocator interface {
	Locate(key string) string
	LocateAll(hashKeys) (used int)
}

// hashRing is a ring of any library. While it is changed it is not safe for concurrent use.
type hashRing interface {
	hashLocator
	Add(name string) error
	Remove(name string) error
}

// hashReplicator is a ring that knows more than the first node of a key.
type hashReplicator interface {
	Replicas(key string) []string
	ReplicateAll(hashKeys) (used int)
}

func ringImpls() []string { return []string{implPlinth, implStathat, implSerialx, implGroupcache} }

// openRing makes a ring of nodes.
func openRing(impl string, names []string) (hashRing, error) {
	switch impl {
	case implStathat:
		c := stathat.New()
		c.NumberOfReplicas = hashVirtual
		c.Set(names)
		return stathatRing{c}, nil
	case implSerialx:
		weights := make(map[string]int, len(names)) // a weight is so many places
		for _, name := range names {
			weights[name] = hashVirtual
		}
		return &serialxRing{serialx.NewWithWeights(weights)}, nil
	case implGroupcache:
		r := &groupcacheRing{consistenthash.New(hashVirtual, nil), names}
		r.m.Add(names...)
		return r, nil
	}
	r, err := ours.NewRing(ours.RingConfig{VirtualNodes: hashVirtual}, ourNodes(names)...)
	return &plinthRing{r}, err
}

func ourNodes(names []string) []ours.Node {
	nodes := make([]ours.Node, len(names))
	for i, name := range names {
		nodes[i] = ours.Node{Name: name, Weight: 1}
	}
	return nodes
}

type plinthRing struct{ r *ours.Ring }

func (r *plinthRing) Locate(key string) string { return r.r.Locate(key).Name }

func (r *plinthRing) LocateAll(k hashKeys) (used int) {
	ring := r.r
	for _, key := range k.names {
		used += len(ring.Locate(key).Name)
	}
	return used
}

func (r *plinthRing) Replicas(key string) (names []string) {
	for node := range r.r.LocateN(key) {
		if names = append(names, node.Name); len(names) == hashReplicas {
			break
		}
	}
	return names
}

func (r *plinthRing) ReplicateAll(k hashKeys) (used int) {
	ring := r.r
	for _, key := range k.names {
		n := 0
		for node := range ring.LocateN(key) {
			used += len(node.Name)
			if n++; n == hashReplicas {
				break
			}
		}
	}
	return used
}

func (r *plinthRing) Add(name string) (err error) {
	r.r, err = r.r.With(ours.Node{Name: name, Weight: 1})
	return err
}

func (r *plinthRing) Remove(name string) (err error) {
	r.r, err = r.r.Without(name)
	return err
}

type stathatRing struct{ c *stathat.Consistent }

func (r stathatRing) Locate(key string) string {
	name, _ := r.c.Get(key)
	return name
}

func (r stathatRing) LocateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		name, _ := r.c.Get(key)
		used += len(name)
	}
	return used
}

func (r stathatRing) Replicas(key string) []string {
	names, _ := r.c.GetN(key, hashReplicas)
	return names
}

func (r stathatRing) ReplicateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		names, _ := r.c.GetN(key, hashReplicas)
		for _, name := range names {
			used += len(name)
		}
	}
	return used
}

func (r stathatRing) Add(name string) error {
	r.c.Add(name)
	return nil
}

func (r stathatRing) Remove(name string) error {
	r.c.Remove(name)
	return nil
}

type serialxRing struct{ r *serialx.HashRing }

func (r *serialxRing) Locate(key string) string {
	name, _ := r.r.GetNode(key)
	return name
}

func (r *serialxRing) LocateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		name, _ := r.r.GetNode(key)
		used += len(name)
	}
	return used
}

func (r *serialxRing) Replicas(key string) []string {
	names, _ := r.r.GetNodes(key, hashReplicas)
	return names
}

func (r *serialxRing) ReplicateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		names, _ := r.r.GetNodes(key, hashReplicas)
		for _, name := range names {
			used += len(name)
		}
	}
	return used
}

func (r *serialxRing) Add(name string) error {
	r.r = r.r.AddWeightedNode(name, hashVirtual)
	return nil
}

func (r *serialxRing) Remove(name string) error {
	r.r = r.r.RemoveNode(name)
	return nil
}

// groupcacheRing has no replicas, and no node leaves it: a ring without it is made anew, as
// groupcache does itself.
type groupcacheRing struct {
	m     *consistenthash.Map
	names []string
}

func (r *groupcacheRing) Locate(key string) string { return r.m.Get(key) }

func (r *groupcacheRing) LocateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		used += len(r.m.Get(key))
	}
	return used
}

func (r *groupcacheRing) Add(name string) error {
	r.m.Add(name)
	r.names = append(r.names[:len(r.names):len(r.names)], name)
	return nil
}

func (r *groupcacheRing) Remove(name string) error {
	var left []string
	for _, other := range r.names {
		if other != name {
			left = append(left, other)
		}
	}
	r.m, r.names = consistenthash.New(hashVirtual, nil), left
	r.m.Add(left...)
	return nil
}

// openRendezvous makes what asks each node, ours or dgryski's with the hash that ours has.
func openRendezvous(impl string, names []string) (hashLocator, error) {
	if impl == implDgryski {
		return dgryskiRendezvous{rendezvous.New(names, xxhash.Sum64String)}, nil
	}
	r, err := ours.NewRendezvous(ourNodes(names)...)
	return plinthRendezvous{r}, err
}

type plinthRendezvous struct{ r *ours.Rendezvous }

func (r plinthRendezvous) Locate(key string) string { return r.r.Locate(key).Name }

func (r plinthRendezvous) LocateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		used += len(r.r.Locate(key).Name)
	}
	return used
}

type dgryskiRendezvous struct{ r *rendezvous.Rendezvous }

func (r dgryskiRendezvous) Locate(key string) string { return r.r.Lookup(key) }

func (r dgryskiRendezvous) LocateAll(k hashKeys) (used int) {
	for _, key := range k.names {
		used += len(r.r.Lookup(key))
	}
	return used
}

// openJump makes what knows only how many nodes there are, and wants a hash.
func openJump(impl string, names []string) hashLocator {
	if impl == implDgryski {
		return dgryskiJump{names}
	}
	return plinthJump{names}
}

type plinthJump struct{ names []string }

func (j plinthJump) Locate(key string) string {
	return j.names[ours.Jump(ours.Hash(key), len(j.names))]
}

func (j plinthJump) LocateAll(k hashKeys) (used int) {
	for _, h := range k.hashes {
		used += ours.Jump(h, len(j.names))
	}
	return used
}

type dgryskiJump struct{ names []string }

func (j dgryskiJump) Locate(key string) string {
	return j.names[jump.Hash(xxhash.Sum64String(key), len(j.names))]
}

func (j dgryskiJump) LocateAll(k hashKeys) (used int) {
	for _, h := range k.hashes {
		used += int(jump.Hash(h, len(j.names)))
	}
	return used
}
