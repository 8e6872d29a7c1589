package plinth_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/breaker"
	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/btree/ordered"
	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/hashring"
	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/ratelimit"
	"github.com/plinth-go/plinth/vclock"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// BenchmarkTour is one headline per package, each a sentence that the
// package's README explains. Typed in this directory,
//
//	go test -bench ./...
//
// runs it.
func BenchmarkTour(b *testing.B) {
	for _, writers := range []int{1, 16} {
		name := fmt.Sprintf("pkg=wal/op=append/durability=synced/writers=%d", writers)
		b.Run(name, func(b *testing.B) { tourWAL(b, writers) })
	}
	b.Run("pkg=vfs/op=crashes/unsynced=3", tourVFS)
	b.Run("pkg=cache/op=getorset/keys=zipf", tourCache)
	b.Run("pkg=lsm/op=put/durability=buffered", tourLSM)
	b.Run("pkg=btree/op=put/durability=synced", tourBTree)
	b.Run("pkg=ordered/op=get/n=100000", tourOrdered)
	b.Run("pkg=ratelimit/op=allow/keys=1", tourRatelimit)
	b.Run("pkg=hashring/op=locate/n=100", tourHashring)
	b.Run("pkg=breaker/op=do/state=closed", tourBreaker)
	b.Run("pkg=vclock/op=compare/n=256", tourVclock)
	b.Run("pkg=crdt/op=add-and-merge/n=10000", tourCRDT)
}

// tourWAL: an acknowledged record costs a flush of the disk, unless writers
// share it. Of the 128-byte records, ns/op is the time of one; fsyncs/op says
// how many flushes each cost.
func tourWAL(b *testing.B, writers int) {
	l, err := wal.Open(b.TempDir(), wal.Options{})
	require.NoError(b, err)
	record := make([]byte, 128)
	const each = 64 // records per writer and round
	rounds := 0
	for b.Loop() {
		rounds++
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range each {
					if _, err := l.Append(record); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	records := rounds * writers * each
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/op")
	b.ReportMetric(float64(l.Stats().Syncs)/float64(records), "fsyncs/op")
	require.EqualValues(b, records, l.DurableIndex())
	require.NoError(b, l.Close())
}

// tourVFS: what a power cut can leave of three unsynced writes, a state at a
// time; an operation of the benchmark makes all of them.
func tourVFS(b *testing.B) {
	disk := vfs.Record(vfs.NewMem())
	file, err := disk.Open("f", vfs.Create, "")
	require.NoError(b, err)
	require.NoError(b, disk.SyncDir("."))
	for i := range int64(3) {
		_, err := file.WriteAt(make([]byte, 1000), i*1000)
		require.NoError(b, err)
	}
	states := 0
	b.ReportAllocs()
	for b.Loop() {
		states = 0
		for range disk.Crashes(disk.Ops()) {
			states++
		}
	}
	b.ReportMetric(float64(states), "states")
}

// tourCache: a cache of 3 % of the keys answers most of the reads, if some keys
// are more popular than others and it keeps the right ones.
func tourCache(b *testing.B) {
	c, err := cache.New(cache.Config[uint64, uint64]{MaxEntries: 32 << 10, Stats: true})
	require.NoError(b, err)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, 1<<20-1)
	keys := make([]uint64, 1<<18)
	for i := range keys {
		keys[i] = zipf.Uint64()
	}
	b.ReportAllocs()
	rounds := 0
	for b.Loop() {
		rounds++
		for _, key := range keys {
			c.GetOrSet(key, key)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rounds*len(keys)), "ns/op")
	b.ReportMetric(c.Stats().HitRatio(), "hit-ratio")
}

// tourLSM: an entry that is put in memory now is written to the disk several times
// later, as it moves down from level to level.
func tourLSM(b *testing.B) {
	db, err := lsm.Open(b.TempDir(), lsm.Options{Durability: wal.Buffered, MemTableSize: 256 << 10, TableSize: 256 << 10})
	require.NoError(b, err)
	rng := rand.New(rand.NewPCG(1, 1))
	key, value := make([]byte, 16), make([]byte, 100)
	const each = 5000 // entries per round
	rounds := 0
	for b.Loop() {
		rounds++
		for range each {
			binary.BigEndian.PutUint64(key, rng.Uint64N(100_000))
			if err := db.Put(key, value); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rounds*each), "ns/op")
	_, written := db.Metrics().WriteAmplification()
	b.ReportMetric(written, "write-amp")
	require.NoError(b, db.Close())
}

// tourBTree: a put waits for the log alone; the page that it changes is written later,
// once for all puts that have changed it until a checkpoint comes.
func tourBTree(b *testing.B) {
	disk := vfs.NewCounter(nil)
	db, err := btree.Open(b.TempDir(), btree.Options{FS: disk, CheckpointSize: 256 << 10})
	require.NoError(b, err)
	rng := rand.New(rand.NewPCG(1, 1))
	key, value := make([]byte, 16), make([]byte, 100)
	puts := 0
	b.ReportAllocs()
	for b.Loop() {
		puts++
		binary.BigEndian.PutUint64(key, rng.Uint64N(100_000))
		if err := db.Put(key, value); err != nil {
			b.Fatal(err)
		}
	}
	counts := disk.Counts()
	b.ReportMetric(float64(counts.Total().Syncs+counts.DirSyncs)/float64(puts), "fsyncs/op")
	all, _ := db.Stats().WriteAmplification()
	b.ReportMetric(all, "write-amp")
	require.NoError(b, db.Close())
}

// tourOrdered: a map of a hundred thousand numbers is three nodes deep, and a Get waits for
// memory at each.
func tourOrdered(b *testing.B) {
	m := ordered.New[uint64, int]()
	rng := rand.New(rand.NewPCG(1, 1))
	keys := make([]uint64, 100_000)
	for i := range keys {
		keys[i] = rng.Uint64()
		m.Set(keys[i], i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := m.Get(keys[i]); !ok {
			b.Fatal("lost")
		}
		i = (i + 1) % len(keys)
	}
}

// tourRatelimit: a limiter costs a clock read and little else, whether it says yes or, as
// most of the time here, no: the limit is a million a second.
func tourRatelimit(b *testing.B) {
	l := ratelimit.NewTokenBucket(ratelimit.PerSecond(1_000_000), 100)
	granted := 0
	b.ReportAllocs()
	for b.Loop() {
		if l.Allow() {
			granted++
		}
	}
	b.ReportMetric(float64(granted)/b.Elapsed().Seconds(), "granted/s")
}

// tourHashring: a key is found among 16,000 places in a step or two, whoever they belong to. And
// if one of a hundred nodes goes, about one of a hundred keys moves: moved/key.
func tourHashring(b *testing.B) {
	var nodes []hashring.Node
	for i := range 100 {
		nodes = append(nodes, hashring.Node{Name: fmt.Sprintf("node-%d", i), Weight: 1})
	}
	before, err := hashring.NewRing(hashring.RingConfig{}, nodes...)
	require.NoError(b, err)
	after, err := before.Without("node-17")
	require.NoError(b, err)
	keys := make([]string, 1<<14)
	moved := 0
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%d", i)
		if before.Locate(keys[i]) != after.Locate(keys[i]) {
			moved++
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if before.Locate(keys[i]).Weight == 0 {
			b.Fatal("nowhere")
		}
		i = (i + 1) % len(keys)
	}
	b.ReportMetric(float64(moved)/float64(len(keys)), "moved/key")
}

// tourBreaker: a call through a circuit that is closed costs a clock read and a count.
func tourBreaker(b *testing.B) {
	br, err := breaker.New(breaker.Config{})
	require.NoError(b, err)
	ctx := context.Background()
	work := func(context.Context) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := breaker.Do(ctx, br, work); err != nil {
			b.Fatal(err)
		}
	}
}

// tourVclock: to find out whether two of 256 replicas have diverged takes a pass over their numbers; and
// bytes/clock is what one sends.
func tourVclock(b *testing.B) {
	counts := map[vclock.ID]uint64{}
	for i := range 256 {
		counts[vclock.ID(fmt.Sprintf("node-%03d", i))] = uint64(1000 + i)
	}
	left, err := vclock.VectorOf(counts)
	require.NoError(b, err)
	right := left
	_, _ = left.Tick("node-000")
	_, _ = right.Tick("node-255")
	wire, err := left.MarshalBinary()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if left.Compare(right) != vclock.Concurrent {
			b.Fatal("not concurrent")
		}
	}
	b.ReportMetric(float64(len(wire)), "bytes/clock")
}

// tourCRDT: to add an element to a set of 10,000 on one replica, and to merge that into another one, costs
// what has changed, and not what there is; bytes/delta is what one sends.
func tourCRDT(b *testing.B) {
	var phone crdt.ORSet[string]
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("item-%05d", i)
		_, err := phone.Add("phone", names[i])
		require.NoError(b, err)
	}
	laptop, sent, n := phone.Clone(), 0, 0
	b.ReportAllocs()
	for b.Loop() {
		delta, err := phone.Add("phone", names[n%len(names)])
		if err != nil || !laptop.Merge(delta) {
			b.Fatal("nothing new", err)
		}
		if n++; n%100 == 1 {
			wire, err := delta.AppendBinary(nil)
			require.NoError(b, err)
			sent = len(wire)
		}
	}
	b.ReportMetric(float64(sent), "bytes/delta")
}
