package hashring

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

func ketama(t testing.TB, nodes ...Node) *Ring {
	t.Helper()
	r, err := NewKetama(nodes...)
	require.NoError(t, err)
	return r
}

// lastfm is the file ketama.servers of libketama.
func lastfm() []Node {
	var nodes []Node
	for i, megabytes := range []int{600, 300, 200, 350, 1000, 800, 950, 100} {
		nodes = append(nodes, Node{Name: fmt.Sprintf("10.0.1.%d:11211", i+1), Weight: megabytes})
	}
	return nodes
}

// TestKetamaLibrary prints what libketama's ketama_test.c prints: for the keys 0, 1, 2 … the
// point of the key, the point it finds, and the server. The MD5 of 1,000,000 lines is in
// libketama's test.sh; that of 1,000, made by the same program, and the first lines are in
// MediaWiki's HashRingTest.php.
//
// Planted and caught: big-endian points; digests that count from 1; "#" for "-"; keys that have
// the hash of other rings; shares that are rounded to the nearest; a key behind the last point
// that is not on the first.
func TestKetamaLibrary(t *testing.T) {
	r := ketama(t, lastfm()...)
	printed := md5.New()
	printed.Write([]byte("\n")) // no error
	want := map[int]string{1000: "d1a4912a80e4654ec2e4e462c8b911c6", 1_000_000: "5672b131391f5aa2b280936aec1eea74"}
	first := []string{
		"2216742351 2217271743 10.0.1.1:11211\n",
		"943901380 949045552 10.0.1.5:11211\n",
		"2373066440 2374693370 10.0.1.6:11211\n",
	}
	most := 1_000_000
	if form.Raced() {
		most = 1000
	}
	var line []byte
	for i := range most {
		key := strconv.Itoa(i)
		h := r.Hash(key)
		line = append(strconv.AppendUint(line[:0], h>>32, 10), ' ')
		line = append(strconv.AppendUint(line, r.hashes[r.find(h)]>>32, 10), ' ')
		line = append(append(line, r.Locate(key).Name...), '\n')
		printed.Write(line)
		if i < len(first) {
			require.Equal(t, first[i], string(line))
		}
		if sum, ok := want[i+1]; ok {
			require.Equal(t, sum, hex.EncodeToString(printed.Sum(nil)), "%d keys", i+1)
		}
	}
}

// TestKetamaOthers: libketama's tests of its module for Python, those of ketama-python, and
// those of go-ketama, whose counts come from Algorithm::ConsistentHash::Ketama for Perl.
func TestKetamaOthers(t *testing.T) {
	r := ketama(t, Node{Name: "127.0.0.1:11211", Weight: 600}, Node{Name: "127.0.0.1:11212", Weight: 400})
	require.Equal(t, uint64(3446378249), r.Hash("test")>>32)
	require.Equal(t, uint64(3454255383), r.hashes[r.find(r.Hash("test"))]>>32)
	require.Equal(t, "127.0.0.1:11211", r.Locate("test").Name)
	require.Len(t, r.hashes, 320)

	r = ketama(t, Node{Name: "127.0.0.1:1", Weight: 400}, Node{Name: "127.0.0.1:2", Weight: 600}, Node{Name: "127.0.0.1:3", Weight: 600})
	require.Equal(t, "127.0.0.1:3", r.Locate("").Name)
	require.Equal(t, "127.0.0.1:3", r.Locate("1").Name)
	require.NotEqual(t, "127.0.0.1:1", r.Locate("3").Name)

	var nodes []Node
	for i := range 10 {
		nodes = append(nodes, Node{Name: fmt.Sprint("server", i), Weight: 1})
	}
	r = ketama(t, nodes...)
	counts := map[string]int{}
	for i := range 100_000 {
		counts[r.Locate("foo"+strconv.Itoa(i)).Name]++
	}
	for i, want := range []int{9478, 9029, 10863, 10011, 9734, 9444, 10756, 10021, 10762, 9902} {
		require.Equal(t, want, counts[nodes[i].Name], nodes[i].Name)
	}
}

// TestKetamaDigests compares with a program in C that has the library's expression in it,
// pct * 40.0 * (float)numservers, compiled by gcc 12 for amd64.
//
// Planted and caught: a quotient of double precision; a product of single precision, the first,
// or both; no single precision before the floor; a share that is rounded to the nearest.
func TestKetamaDigests(t *testing.T) {
	s, sum := uint64(88172645463325252), uint64(14695981039346656037)
	for n := uint64(1); n < 200_000; n++ {
		s ^= s << 13
		s ^= s >> 7
		s ^= s << 17
		weight := 1 + s%maxWeight
		total := weight + (s>>20)%(maxWeight*n)
		for _, digests := range []int{ketamaDigests(int(weight), int64(total), int(n)), ketamaDigests(1, int64(n), int(n))} {
			sum = (sum ^ uint64(digests)) * 1099511628211
		}
	}
	require.Equal(t, uint64(0xdf916636b4ba5bb5), sum)

	var odd []int
	for n := 1; n <= 1000; n++ {
		if digests := ketamaDigests(1, int64(n), n); digests != 40 {
			require.Equal(t, 39, digests)
			odd = append(odd, n)
		}
		require.Equal(t, ketamaDigests(1, int64(n), n), ketamaDigests(600, 600*int64(n), n), "proportions alone matter")
	}
	require.Equal(t, []int{61, 122, 237, 244, 474, 488, 933, 948, 951, 953, 976}, odd)
}

// ketamaNaive looks at all points of all nodes, and computes how many there are without
// floating point, which is the same if the quotient is exact.
func ketamaNaive(nodes []Node, key string) Node {
	total := 0
	for _, n := range nodes {
		total += n.Weight
	}
	at := func(text string, i int) uint32 {
		sum := md5.Sum([]byte(text))
		return uint32(sum[i]) | uint32(sum[i+1])<<8 | uint32(sum[i+2])<<16 | uint32(sum[i+3])<<24
	}
	h, nearest, best := at(key, 0), uint32(0), -1
	for number, n := range nodes {
		for i := range n.Weight * len(nodes) * 40 / total {
			for j := 0; j < 16; j += 4 {
				distance := at(fmt.Sprintf("%s-%d", n.Name, i), j) - h // goes round
				if best < 0 || distance < nearest {
					best, nearest = number, distance
				}
			}
		}
	}
	return nodes[best]
}

// TestKetamaAgainstNaive: for totals that are powers of two.
func TestKetamaAgainstNaive(t *testing.T) {
	rng := seed.New(t)
	for range 5 {
		left, n := 1<<10, 4
		nodes := named(n)
		for i := range nodes[1:] {
			nodes[i].Weight = 1 + rng.IntN(left/2)
			left -= nodes[i].Weight
		}
		nodes[n-1].Weight = left
		r := ketama(t, nodes...)
		for range 50 {
			key := fmt.Sprint(rng.Uint64())
			require.Equal(t, ketamaNaive(nodes, key), r.Locate(key), "%v", nodes)
		}
	}
}

func TestKetama(t *testing.T) {
	laws{
		make:    func(nodes ...Node) (Locator, error) { return NewKetama(nodes...) },
		golden:  0xf163ad636f67c455,
		spread:  math.Sqrt(2.5 / 160), // 160 points are for the mean weight, which is 2.5 there
		weights: true,
	}.check(t)
}

// TestKetamaMoves: the points of all nodes depend on all weights, so that keys move also
// between nodes that stay; not if all weigh the same, but for some numbers of nodes.
func TestKetamaMoves(t *testing.T) {
	moved := func(before *Ring, gone string) (must, more int) {
		after, err := before.Without(gone)
		require.NoError(t, err)
		back, err := after.With(slices.Collect(before.Nodes())[0])
		require.NoError(t, err)
		require.Equal(t, before, back)
		for i := range 10_000 {
			key := strconv.Itoa(i)
			switch from, to := before.Locate(key), after.Locate(key); {
			case from.Name == gone:
				must++
				require.NotEqual(t, gone, to.Name)
			case from != to:
				more++
			}
		}
		return must, more
	}
	for name, c := range map[string]struct {
		nodes      []Node
		must, more int
	}{
		"different weights": {lastfm(), 1201, 33},
		"equal weights":     {named(60), 167, 0},
		"from 62 to 61":     {named(62), 167, 205},
	} {
		must, more := moved(ketama(t, c.nodes...), c.nodes[0].Name)
		require.Equal(t, []int{c.must, c.more}, []int{must, more}, name)
	}
}

// TestKetamaEqualPoints: two nodes in one place are no error, and the first by name is there.
//
// Planted and caught: the owners of equal hashes in the opposite order.
func TestKetamaEqualPoints(t *testing.T) {
	all := ketama(t, named(1500)...)
	pairs := 0
	for i := 1; i < len(all.hashes); i++ {
		if all.hashes[i-1] == all.hashes[i] {
			a, b := all.nodes[all.owners[i-1]], all.nodes[all.owners[i]]
			require.Less(t, a.Name, b.Name)
			for _, two := range [][]Node{{a, b}, {b, a}} {
				r := ketama(t, two...)
				require.Equal(t, a, r.LocateHash(all.hashes[i]))
				require.Equal(t, a, r.LocateHash(all.hashes[i]-1))
			}
			pairs++
		}
	}
	require.Equal(t, 4, pairs)
}

// TestKetamaWithoutPoints: who is much lighter than the others has no keys, and is behind them
// in its round: so each node has a place in the sequence of a key, as a Sequencer must see to.
//
// Planted and caught: nobody who is last; only the first of them; the last of them first.
func TestKetamaWithoutPoints(t *testing.T) {
	nodes := []Node{
		{Name: "a", Weight: 1, Zone: "z"}, {Name: "b", Weight: 100, Zone: "y"}, {Name: "c", Weight: 100, Zone: "x"},
		{Name: "d", Weight: 1, Zone: "x"}, {Name: "e", Weight: 100, Zone: "x"}, {Name: "f", Weight: 1, Zone: "z"},
	}
	r := ketama(t, nodes...)
	require.Equal(t, 6, r.Len())
	for i := range 100 {
		key := strconv.Itoa(i)
		got := slices.Collect(r.LocateN(key))
		require.ElementsMatch(t, nodes, got, "each once")
		require.Equal(t, r.Locate(key), got[0])
		require.NotEqual(t, got[0].Zone, got[1].Zone)
		require.Equal(t, nodes[0], got[2], "the first of z, which has no points")
		require.Contains(t, []Node{nodes[2], nodes[4]}, got[3])
		require.Equal(t, []Node{nodes[5], nodes[3]}, got[4:])
	}
	heavier, err := r.Without("b", "c", "e")
	require.NoError(t, err)
	require.Empty(t, heavier.last)
	require.Len(t, slices.Collect(heavier.LocateN("key")), 3)

	nodes = named(100)
	nodes[7].Weight = 10_000
	r = ketama(t, nodes...)
	got := slices.Collect(r.LocateN("key"))
	require.Equal(t, nodes[7], got[0])
	require.Equal(t, slices.Collect(r.Nodes()), slices.Insert(got[1:], slices.Index(r.nodes, nodes[7]), nodes[7]), "by name")
}

// TestKetamaBounded: those that have no points get what is too much for the others. If there are
// enough leases, the others together are full: then there must be a place for one more.
func TestKetamaBounded(t *testing.T) {
	b := bounded(t, ketama(t, Node{Name: "a", Weight: 1}, Node{Name: "b", Weight: 100}, Node{Name: "c", Weight: 100}), 1./1024)
	for i := range 1005 {
		_, err := b.Acquire(strconv.Itoa(i))
		require.NoError(t, err)
	}
	require.InDelta(t, 5, b.Load("a"), 1)
	require.NotZero(t, b.Load("a"))
}

func TestKetamaAllocatesNothing(t *testing.T) {
	r := ketama(t, named(9)...)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		n := 0
		for range r.LocateN("key") {
			if n++; n == 3 {
				break
			}
		}
		r.Locate("a key of more than the 32 bytes that the compiler would copy on the stack")
	}))
}
