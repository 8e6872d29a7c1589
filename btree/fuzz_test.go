package btree

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// TestRecordFormat holds the worked example in record.go, byte by byte.
func TestRecordFormat(t *testing.T) {
	b := binary.LittleEndian.AppendUint64(nil, 9)
	b = appendDelete(appendPut(b, []byte("k"), []byte("v")), []byte("x"))
	require.Equal(t, "0900000000000000"+"01016b0176"+"000178", hex.EncodeToString(b))
}

// And those in value.go and meta.go.
func TestReferenceFormat(t *testing.T) {
	r := reference{5000, 7, []run{{12, 2}}}
	require.Equal(t, "8813000000000000"+"0700000000000000"+"0c000000"+"02000000", hex.EncodeToString(r.encode()))
}

func TestMetaFormat(t *testing.T) {
	b := meta{pageSize: 4096, tx: 1, pages: firstPage, logIndex: 1}.encode()
	require.Equal(t, "706c696e74686274"+"01000000"+"00100000"+"0000000000000000"+"0100000000000000"+
		"00000000"+"02000000"+"0000000000000000"+"0100000000000000"+"00000000"+"00000000", hex.EncodeToString(b[8:metaHeader]))
	require.Equal(t, make([]byte, metaSize-metaHeader), b[metaHeader:])
}

// TestPageFormat holds the worked example in page.go, byte by byte.
func TestPageFormat(t *testing.T) {
	p := examplePage()
	require.Equal(t, "0300000000000000"+"02000000", hex.EncodeToString(p.data[8:20]))
	require.Equal(t, "010002000100f70f00000000", hex.EncodeToString(p.data[20:32]))
	require.Equal(t, "0000000000000000", hex.EncodeToString(p.data[32:40]))
	require.Equal(t, "fb0f020000000062", hex.EncodeToString(p.data[40:48]))
	require.Equal(t, "f70f020000000063", hex.EncodeToString(p.data[48:56]))
	require.Equal(t, "00006163"+"0100616278", hex.EncodeToString(p.data[4087:]))
	require.NoError(t, p.check())
}

func examplePage() *page {
	p := &page{id: 2, tx: 3, data: make([]byte, minPageSize)}
	p.format(leafPage, 0)
	p.insert(0, leafCell(nil, []byte("ab"), []byte("x")), 2, false)
	p.insert(1, leafCell(nil, []byte("ac"), nil), 2, false)
	return p
}

// FuzzPage reads what is no page: check refuses it, or it can be read all over without
// looking further.
func FuzzPage(f *testing.F) {
	p := examplePage()
	f.Add(p.data[:60], p.data[4000:], []byte("ac"))
	p.format(innerPage, 1)
	p.insert(0, innerCell(nil, []byte("m"), 7), 1, false)
	f.Add(p.data[:60], p.data[4000:], []byte("n"))
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, head, tail, key []byte) {
		p := &page{data: make([]byte, minPageSize)}
		copy(p.data, head)
		copy(p.data[max(0, len(p.data)-len(tail)):], tail)
		if p.check() != nil {
			return
		}
		for _, k := range [][]byte{key, nil, {0}, bytes.Repeat([]byte{255}, MaxKeySize)} {
			i, found := p.find(k)
			require.LessOrEqual(t, i, p.count())
			require.False(t, found && i == p.count())
			if i, found = p.lookUp(k); found {
				require.Equal(t, k, p.key(i)[:len(k):len(k)])
			}
		}
		for i := range p.count() {
			_ = p.key(i)
			_ = p.cell(i)
			if p.isLeaf() {
				_ = p.stored(i)
			}
		}
		for i := 0; !p.isLeaf() && i <= p.count(); i++ {
			_ = p.child(i)
		}
	})
}

// FuzzMeta decodes what is no meta page: an error, or one that survives another round.
func FuzzMeta(f *testing.F) {
	f.Add(meta{pageSize: minPageSize, generation: 5, tx: 9, root: 4, pages: 12, entries: 2, logIndex: 7, logs: true, mapPages: []pageID{0, 3}}.encode()[:100])
	f.Add([]byte(metaMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := make([]byte, metaSize)
		copy(b, data)
		copy(b[8:], metaMagic)
		seal(b) // else nothing comes further than the checksum
		m, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := decodeMeta(m.encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// FuzzRecord decodes what is no record: an error, or one that has in it what it says.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x09\x00\x00\x00\x00\x00\x00\x00\x01\x01k\x01v\x00\x01x"))
	f.Add([]byte("\x09\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := make([]byte, 0, len(data))
		tx, err := parseRecord(data, func(put bool, key, value []byte) error {
			require.NotEmpty(t, key)
			if put {
				b = appendPut(b, key, value)
			} else {
				b = appendDelete(b, key)
			}
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, errBadRecord)
			return
		}
		require.Equal(t, binary.LittleEndian.Uint64(data), tx)
		require.LessOrEqual(t, len(b), len(data)-recordHeader) // lengths may have been written longer
	})
}

// FuzzReference decodes what is no reference: an error, or one that is encoded as it was.
func FuzzReference(f *testing.F) {
	d := &DB{options: Options{PageSize: minPageSize}}
	f.Add(reference{5000, 3, []run{{7, 2}}}.encode())
	f.Add(reference{12000, 3, []run{{7, 1}, {9, 2}}}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := d.decodeReference(data)
		if err != nil {
			return
		}
		require.Equal(t, data, r.encode())
		require.LessOrEqual(t, len(r.runs), maxRuns)
		for _, one := range r.runs {
			require.LessOrEqual(t, one.end(), r.end())
		}
	})
}

// FuzzModel lets the fuzzer choose the calls on a store and a map.
func FuzzModel(f *testing.F) {
	f.Add([]byte("a few calls"), byte(0))
	f.Add([]byte("and some with other options"), byte(2))
	f.Add([]byte{0, 1, 2, 3, 200, 100, 50}, byte(7))
	f.Fuzz(func(t *testing.T, input []byte, options byte) {
		o := Options{FS: vfs.NewMem(), Durability: wal.Buffered, CacheSize: 64 << 10, segmentSize: 16 << 10}
		if options&1 != 0 {
			o.NoWAL = true
		}
		if options&2 != 0 {
			o.maxRecord = 300
		}
		m := newModel(t, seed.Of(input), o)
		m.keys = 1 + int(options>>2)
		for range min(len(input), 8) {
			m.step()
		}
		require.NoError(t, m.db.Close())
		m.open()
		require.NoError(t, m.db.View(func(tx *Tx) error {
			same(t, m.want, tx)
			return nil
		}))
		require.NoError(t, m.db.Close())
	})
}
