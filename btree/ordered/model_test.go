package ordered

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// invariant fails if the tree is not as doc.go says.
func invariant[K, V comparable](t testing.TB, m *Map[K, V]) {
	t.Helper()
	if m.root == nil {
		require.Zero(t, m.size)
		return
	}
	depths := map[int]bool{}
	var before *K
	var check func(c *child[K, V], depth int, last bool) (size int, lastKey K)
	check = func(c *child[K, V], depth int, last bool) (size int, lastKey K) {
		if l := c.leaf; l != nil {
			require.Nil(t, c.inner)
			depths[depth] = true
			if m.size > 0 {
				require.Positive(t, l.n, "an empty leaf")
			}
			if m.root.n > 1 && !last {
				require.GreaterOrEqual(t, l.n, m.most/3, "a leaf with too few")
			}
			require.LessOrEqual(t, l.n, m.most)
			for i := range l.n {
				if before != nil {
					if at, found := m.search(&[fanout]K{*before}, 1, l.keys[i]); at == 0 || found {
						require.Fail(t, "order", "%v before %v", *before, l.keys[i])
					}
				}
				before = &l.keys[i]
			}
			var zeroKey K
			var zeroValue V
			for i := l.n; i < fanout; i++ {
				if l.keys[i] != zeroKey || l.items[i] != zeroValue {
					require.Fail(t, "not cleared")
				}
			}
			if l.n == 0 {
				return 0, zeroKey
			}
			return l.n, l.keys[l.n-1]
		}
		n := c.inner
		if n != m.root {
			require.GreaterOrEqual(t, n.n, m.most/3, "an inner node with too few")
		} else if n.items[0].inner != nil {
			require.Greater(t, n.n, 1, "a root too many")
		}
		require.LessOrEqual(t, n.n, m.most)
		for i := range n.n {
			var got int
			got, lastKey = check(&n.items[i], depth+1, last && i == n.n-1)
			require.Equal(t, got, n.items[i].size(), "a size")
			if i < n.n-1 && n.keys[i] != lastKey && lastKey == lastKey {
				require.Fail(t, "bound", "%v of a child that ends in %v", n.keys[i], lastKey)
			}
			size += got
		}
		var zeroKey K
		require.Equal(t, zeroKey, n.keys[n.n-1], "a last bound")
		for i := n.n; i < fanout; i++ {
			if n.keys[i] != zeroKey || n.items[i] != (child[K, V]{}) {
				require.Fail(t, "not cleared")
			}
		}
		return size, lastKey
	}
	size, _ := check(&child[K, V]{inner: m.root}, 0, true)
	require.Equal(t, m.size, size)
	require.Len(t, depths, 1)
	for k := range m.All() {
		if _, ok := m.Get(k); !ok {
			require.Fail(t, "not found", "%v, which is there", k)
		}
	}
}

// same fails if the map does not have what the slice has.
func same[V comparable](t testing.TB, s *sortedSlice[int, V], m *Map[int, V]) {
	t.Helper()
	require.Equal(t, len(s.entries), m.Len())
	if !slices.Equal(s.entries, pairs(m.All())) {
		require.Equal(t, s.entries, pairs(m.All()))
	}
}

// small returns an empty map whose nodes are small.
func small(most int) *Map[int, int] {
	m := New[int, int]()
	m.most = most
	return m
}

// TestExhaustive puts a few keys into trees of small nodes in every order, and takes them
// out of each tree in every order after that. TestExhaustiveDeletes has deeper trees.
func TestExhaustive(t *testing.T) {
	n := 7
	if form.Long() {
		n = 8
	}
	var in func(k int, perm []int, do func([]int))
	in = func(k int, perm []int, do func([]int)) {
		if k == len(perm) {
			do(perm)
			return
		}
		for i := k; i < len(perm); i++ {
			perm[k], perm[i] = perm[i], perm[k]
			in(k+1, perm, do)
			perm[k], perm[i] = perm[i], perm[k]
		}
	}
	identity := make([]int, n)
	for i := range identity {
		identity[i] = i
	}
	trees := map[string]*Map[int, int]{}
	in(0, slices.Clone(identity), func(order []int) {
		m := small(6)
		for _, k := range order {
			m.Set(10*k, k)
		}
		trees[shape(m)] = m
	})
	t.Logf("%d trees of %d entries", len(trees), n)
	for _, tree := range trees {
		invariant(t, tree)
		in(0, slices.Clone(identity), func(order []int) {
			m := tree.Clone()
			for _, k := range order {
				m.Delete(10 * k)
			}
			require.Zero(t, m.Len())
		})
		for _, order := range [][]int{identity, reversedInts(identity)} {
			m := tree.Clone()
			for _, k := range order {
				old, ok := m.Delete(10 * k)
				require.True(t, ok)
				require.Equal(t, k, old)
				invariant(t, m)
			}
		}
		invariant(t, tree)
	}
}

// TestExhaustiveDeletes takes out of trees of three steps every run of keys, then every
// second key, then the rest, so that leaves and inner nodes join with either neighbour.
// Planted and caught: bounds that stay when their entry goes, a bound that is not moved
// when two nodes join, sizes that are not counted when a node is divided.
func TestExhaustiveDeletes(t *testing.T) {
	const n = 150
	tree := small(6)
	for i := range n {
		tree.Set(i*37%n, i)
	}
	require.GreaterOrEqual(t, height(tree), 3)
	for from := range n {
		for _, count := range []int{1, 2, 5, 20, 60} {
			m := tree.Clone()
			left := n
			remove := func(k int) {
				if _, ok := m.Delete(k); ok {
					left--
				}
				require.Equal(t, left, m.Len())
			}
			for k := from; k < min(n, from+count); k++ {
				remove(k)
			}
			invariant(t, m)
			for k := from % 2; k < n; k += 2 {
				remove(k)
			}
			invariant(t, m)
			for k := n - 1; k >= 0; k-- {
				remove(k)
			}
			invariant(t, m)
			require.Zero(t, m.Len())
		}
	}
	invariant(t, tree)
}

// height is how many nodes are on a path.
func height(m *Map[int, int]) (h int) {
	for n := m.root; n != nil; n = n.items[0].inner {
		h++
	}
	return h + 1
}

func reversedInts(s []int) []int {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func shape(m *Map[int, int]) (s string) {
	for i := range m.root.n {
		s += fmt.Sprint(m.root.items[i].leaf.keys[:m.root.items[i].leaf.n], m.root.keys[i])
	}
	return s
}

// TestModel does what chance says to maps with nodes of several sizes and to a slice, and
// compares: all answers, and every so often all entries. Planted and caught: joins that
// change a neighbour that a clone has, copies whose children are not marked, an At that
// counts from the end and is one off, a walk backward that leaves out the first leaf.
func TestModel(t *testing.T) {
	steps := 1000
	if form.Long() {
		steps = 10_000
	}
	for _, most := range []int{6, 7, 16, fanout} {
		for _, keys := range []int{20, 30 * most, 400 * most} {
			t.Run(fmt.Sprintf("most=%d/keys=%d", most, keys), func(t *testing.T) {
				rng := seed.New(t)
				d := driver{t: t, m: small(most), s: newSortedSlice[int, int](), keys: keys}
				for i := range keys {
					if rng.IntN(2) == 0 {
						d.m.Set(i, 0)
						d.s.Set(i, 0)
					}
				}
				deepest := height(d.m)
				for i := range steps {
					d.step(rng.Uint32(), rng.Uint32())
					if i%max(1, keys/40) == 0 {
						d.check()
					}
				}
				d.check()
				for len(d.s.entries) > 0 { // and down to nothing
					for range 1 + len(d.s.entries)/20 {
						d.remove(d.s.entries[rng.IntN(len(d.s.entries))].key, 1+rng.IntN(5))
						if len(d.s.entries) == 0 {
							break
						}
					}
					d.check()
				}
				if keys == 400*most {
					require.GreaterOrEqual(t, deepest, 3)
				}
			})
		}
	}
}

// driver does one thing after the other to a map, its clones, and slices.
type driver struct {
	t       testing.TB
	m       *Map[int, int]
	s       *sortedSlice[int, int]
	clones  []*Map[int, int]
	slices  []*sortedSlice[int, int]
	keys    int
	filling bool
	next    int
}

func (d *driver) check() {
	invariant(d.t, d.m)
	same(d.t, d.s, d.m)
	for i := range d.clones {
		invariant(d.t, d.clones[i])
		same(d.t, d.slices[i], d.clones[i])
	}
}

// step does what the two numbers say.
func (d *driver) step(what, with uint32) {
	key := int(with) % d.keys
	if with%512 == 0 {
		d.filling = !d.filling
	}
	d.next++
	switch what % 16 {
	case 0, 1, 2, 3, 4, 5, 6:
		if d.filling == (what%16 == 0) {
			old, ok := d.m.Delete(key)
			wantOld, want := d.s.Delete(key)
			require.Equal(d.t, want, ok)
			require.Equal(d.t, wantOld, old)
			return
		}
		old, ok := d.m.Set(key, d.next)
		wantOld, want := d.s.Set(key, d.next)
		require.Equal(d.t, want, ok)
		require.Equal(d.t, wantOld, old)
	case 7:
		d.remove(key, int(what>>8)%(2*d.m.most))
	case 8:
		d.clone(with)
	case 9:
		rank, ok := d.m.Rank(key)
		wantRank, want := d.s.find(key)
		require.Equal(d.t, want, ok)
		require.Equal(d.t, wantRank, rank)
	case 10:
		rank := int(with)%(len(d.s.entries)+2) - 1
		k, v, ok := d.m.At(rank)
		require.Equal(d.t, rank >= 0 && rank < len(d.s.entries), ok)
		if ok {
			require.Equal(d.t, d.s.entries[rank], pair[int, int]{k, v})
		}
	case 11:
		hi := key + int(what>>8)%50 - 5
		i, _ := d.s.find(key)
		j, _ := d.s.find(hi)
		require.Equal(d.t, len(d.s.between(i, max(i, j))), len(pairs(d.m.Scan(key, hi))))
		require.True(d.t, slices.Equal(d.s.between(i, max(i, j)), pairs(d.m.Scan(key, hi))))
	case 12:
		if d.keys > 5000 && with%16 > 0 {
			return // it takes long
		}
		i, _ := d.s.find(key)
		require.True(d.t, slices.Equal(d.s.entries[i:], pairs(d.m.From(key))))
		require.True(d.t, slices.Equal(reversed(d.s.entries[:i]), pairs(d.m.Before(key))))
		require.True(d.t, slices.Equal(reversed(d.s.entries), pairs(d.m.Backward())))
	case 13:
		v, ok := d.m.Get(key)
		want, wantOK := d.s.Get(key)
		require.Equal(d.t, wantOK, ok)
		require.Equal(d.t, want, v)
	case 14:
		k, v, ok := d.m.Min()
		if require.Equal(d.t, len(d.s.entries) > 0, ok); ok {
			require.Equal(d.t, d.s.entries[0], pair[int, int]{k, v})
			k, v, _ = d.m.Max()
			require.Equal(d.t, d.s.entries[len(d.s.entries)-1], pair[int, int]{k, v})
		}
	case 15:
		if with%64 == 0 { // as it would be if it had been loaded
			most := d.m.most
			m, err := bulk(small(most), d.m.All())
			require.NoError(d.t, err)
			d.m = m
		}
	}
}

// remove takes a run of keys out, so that nodes join.
func (d *driver) remove(key, count int) {
	for k := key; k < key+count; k++ {
		_, ok := d.m.Delete(k)
		_, want := d.s.Delete(k)
		require.Equal(d.t, want, ok)
	}
}

// clone keeps a few clones, and goes on with one of them or with the map.
func (d *driver) clone(with uint32) {
	d.clones = append(d.clones, d.m.Clone())
	d.slices = append(d.slices, d.s.clone())
	if len(d.clones) > 3 {
		d.clones, d.slices = d.clones[1:], d.slices[1:]
	}
	if i := int(with>>8) % len(d.clones); with%2 == 0 {
		d.m, d.clones[i] = d.clones[i], d.m
		d.s, d.slices[i] = d.slices[i], d.s
	}
}

// FuzzOperations does what the bytes say.
func FuzzOperations(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{10, 100, 600} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 900)]
		d := driver{t: t, m: small(6), s: newSortedSlice[int, int](), keys: 120, filling: true}
		for ; len(b) >= 3; b = b[3:] {
			d.step(uint32(b[0])|uint32(b[2])<<8, uint32(b[1])|uint32(b[2])<<8)
		}
		d.check()
	})
}

// TestKinds: what is not an int. NaN counts as one key, before all others.
func TestKinds(t *testing.T) {
	kind(t, func(rng *rand.Rand) string { return fmt.Sprint(rng.IntN(2000)) })
	type name string
	kind(t, func(rng *rand.Rand) name { return name(fmt.Sprint(rng.IntN(2000))) })
	kind(t, func(rng *rand.Rand) uint8 { return uint8(rng.Uint32()) })
	kind(t, func(rng *rand.Rand) float64 {
		special := []float64{math.NaN(), -math.NaN(), 0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1)}
		if rng.IntN(4) == 0 {
			return special[rng.IntN(len(special))]
		}
		return float64(rng.IntN(2000)) - 1000
	})
	m := New[float64, string]()
	m.Set(math.Copysign(0, -1), "zero")
	m.Set(0, "the same")
	m.Set(math.NaN(), "nan")
	m.Set(math.Inf(-1), "least")
	_, replaced := m.Set(-math.NaN(), "the same")
	require.True(t, replaced)
	require.Equal(t, "[{NaN the same} {-Inf least} {-0 the same}]", fmt.Sprint(pairs(m.All())))
}

// TestPointers: a key that has been deleted is its owner's again, to change.
func TestPointers(t *testing.T) {
	m := NewFunc[*int, int](func(a, b *int) int { return cmp.Compare(*a, *b) })
	m.most = 6
	s := newSortedSlice[int, int]()
	rng := seed.New(t)
	pointers := map[int]*int{}
	for i := range 4000 {
		k := rng.IntN(300)
		if p := pointers[k]; p != nil && rng.IntN(2) == 0 {
			_, ok := m.Delete(p)
			require.True(t, ok)
			s.Delete(k)
			delete(pointers, k)
			*p = rng.IntN(300) // somebody uses it for something else
			continue
		}
		if pointers[k] == nil {
			p := k
			pointers[k] = &p
		}
		m.Set(pointers[k], i)
		s.Set(k, i)
	}
	var got []pair[int, int]
	for p, v := range m.All() {
		got = append(got, pair[int, int]{*p, v})
		found, ok := m.Get(p)
		require.True(t, ok)
		require.Equal(t, v, found)
	}
	require.Equal(t, s.entries, got)
}

func kind[K cmp.Ordered](t *testing.T, next func(*rand.Rand) K) {
	rng := rand.New(rand.NewPCG(seed.Value(t), 2))
	maps := []*Map[K, int]{New[K, int](), NewFunc[K, int](cmp.Compare[K])}
	s := newSortedSlice[K, int]()
	for i := range 5000 {
		key, deletes := next(rng), rng.IntN(3) == 0
		for n, m := range maps {
			var got, want int
			var ok, wantOK bool
			if deletes {
				got, ok = m.Delete(key)
				if n == len(maps)-1 {
					want, wantOK = s.Delete(key)
				} else {
					want, wantOK = s.Get(key)
				}
			} else {
				got, ok = m.Set(key, i)
				if n == len(maps)-1 {
					want, wantOK = s.Set(key, i)
				} else {
					want, wantOK = s.Get(key)
				}
			}
			require.Equal(t, wantOK, ok, "%v", key)
			require.Equal(t, want, got)
		}
	}
	for _, m := range maps {
		require.Equal(t, len(s.entries), m.Len())
		require.Equal(t, fmt.Sprint(s.entries), fmt.Sprint(pairs(m.All())))
	}
}
