package lsm

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// TestBatchFormat holds the worked example in batch.go, byte by byte.
func TestBatchFormat(t *testing.T) {
	var b Batch
	b.Put([]byte("k"), []byte("v"))
	b.Delete([]byte("x"))
	b.seal(7)
	require.Equal(t, "0700000000000000"+"02000000"+"01016b0176"+"000178", hex.EncodeToString(b.data))
	require.Equal(t, 2, b.Len())
	r, err := parseRecord(b.data)
	require.NoError(t, err)
	n := uint64(7)
	for seq, c := range r.changes {
		require.Equal(t, n, seq)
		require.NotEmpty(t, c.key)
		n++
	}
	require.EqualValues(t, 9, n)
	b.Reset()
	require.Zero(t, b.Len())
}

// TestEditFormat holds the worked example in version.go, byte by byte.
func TestEditFormat(t *testing.T) {
	e := &edit{nextTable: 6, lastSeq: 100, logIndex: 9, gone: []placed{{0, &table{number: 3}}}, come: []placed{{1, &table{number: 5, size: 4000, sum: 7}}}}
	b := e.encode()
	require.Equal(t, "00"+"06"+"64"+"09"+"010003"+"010105"+"a01f"+"07", hex.EncodeToString(b))
	again, err := decodeEdit(b)
	require.NoError(t, err)
	require.Equal(t, e, again)
}

// FuzzRecord decodes what is no batch: an error, or one that is encoded as it was.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x07\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x01k\x01v\x00\x01x"))
	f.Add([]byte("\x07\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err != nil {
			require.ErrorIs(t, err, errBadRecord)
			return
		}
		n := 0
		for _, c := range r.changes {
			require.NotEmpty(t, c.key)
			n++
		}
		require.EqualValues(t, r.count, n)
	})
}

// FuzzEdit decodes what is no edit: an error, or one that survives another round.
func FuzzEdit(f *testing.F) {
	e := &edit{whole: true, nextTable: 9, lastSeq: 70, logIndex: 12, come: []placed{{3, &table{number: 8, size: 4000, props: sst.Properties{Entries: 2, Smallest: []byte("a"), Largest: []byte("b")}}}}}
	f.Add(e.encode())
	f.Add((&edit{gone: []placed{{0, &table{number: 300}}}}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEdit(data)
		if err != nil {
			require.ErrorIs(t, err, errBadEdit)
			return
		}
		again, err := decodeEdit(e.encode())
		require.NoError(t, err)
		require.Equal(t, e.encode(), again.encode())
		_, _ = (&version{}).apply(e)
	})
}

// FuzzModel lets the fuzzer choose the calls on a store and a map: two bytes are
// thirty of them.
func FuzzModel(f *testing.F) {
	f.Add([]byte("a few calls"), byte(0))
	f.Add([]byte("and some with other options"), byte(3))
	f.Fuzz(func(t *testing.T, input []byte, options byte) {
		o := tiny(vfs.NewMem())
		o.Compression = Compression(options & 1)
		if options&2 != 0 {
			o.MemTableSize, o.TableSize = 300, 200
		}
		m := newModel(t, seed.Of(input[:min(len(input), 24)]), o)
		m.keys = 1 + int(options>>2)
		for range 15 * min(len(input), 24) {
			m.step()
		}
		checkVersion(t, m.db)
		m.reopen()
		m.whole()
		require.NoError(t, m.db.Close())
	})
}
