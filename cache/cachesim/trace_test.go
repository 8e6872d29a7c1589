package cachesim

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// encode writes a trace in a format, the plain way.
func encode(t Trace, f Format) []byte {
	var b bytes.Buffer
	for i, key := range t {
		switch f {
		case ARC:
			fmt.Fprintf(&b, "%d 1 0 %d\n", key, i)
		case LIRS, Lines:
			fmt.Fprintf(&b, "%d\n", key)
		case BE64:
			b.Write(binary.BigEndian.AppendUint64(nil, key))
		case BE32:
			b.Write(binary.BigEndian.AppendUint32(nil, uint32(key)))
		}
	}
	return b.Bytes()
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// keyFormats are those that keep the keys themselves.
func keyFormats() []Format { return []Format{ARC, LIRS, BE64, BE32} }

// TestRoundTrip: what was written is read, with gzip and without, and however
// few bytes come at a time. Seen to fail with the low byte first, with blank
// lines taken for keys, and with the last line without its end left out.
func TestRoundTrip(t *testing.T) {
	rnd := seed.New(t)
	for range 20 {
		trace := make(Trace, 1+rnd.IntN(2000))
		for i := range trace {
			trace[i] = rnd.Uint64N(1 << 32)
		}
		trace[0] = math.MaxUint32
		for _, f := range keyFormats() {
			data := encode(trace, f)
			for _, in := range [][]byte{data, zipped(data)} {
				got, err := Read(bytes.NewReader(in), f)
				require.NoError(t, err)
				require.Equal(t, trace, got, f)
				got, err = Read(iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(in))), f)
				require.NoError(t, err)
				require.Equal(t, trace, got, f)
			}
			if f == ARC || f == LIRS {
				text := strings.ReplaceAll(strings.TrimSpace(string(data)), "\n", " \r\n\n")
				got, err := Read(strings.NewReader(text), f)
				require.NoError(t, err)
				require.Equal(t, trace, got, f)
			}
		}
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		f    Format
		in   string
		want Trace
	}{
		{ARC, "5 3 0 1\n7 0 0 2\n5 1 9 9", Trace{5, 6, 7, 5}},
		{ARC, "18446744073709551614 2 0 0", Trace{math.MaxUint64 - 1, math.MaxUint64}},
		{LIRS, "1\n* 9\n\n*\n18446744073709551615\n", Trace{1, math.MaxUint64}},
		{BE64, "\x00\x00\x00\x00\x00\x00\x01\x02", Trace{258}},
		{BE32, "\x00\x00\x01\x02\xff\xff\xff\xff", Trace{258, math.MaxUint32}},
		{Lines, "GET /\nGET /a\r\n\nGET /\n  GET /a", Trace{0, 1, 0, 1}},
		{Lines, strings.Repeat("x", longestLine-2) + "\ny", Trace{0, 1}},
	} {
		got, err := Read(strings.NewReader(c.in), c.f)
		require.NoError(t, err, c.f)
		require.Equal(t, c.want, got, c.f)
	}
	require.Equal(t, 2, Trace{7, 8, 7}.Unique())
	require.Equal(t, 0, Trace{}.Unique())
}

// TestBadTraces: each error says where it is and what was expected there. Seen
// to fail with each check of the parser left out, one at a time.
func TestBadTraces(t *testing.T) {
	for _, c := range []struct {
		f        Format
		in, want string
	}{
		{ARC, "1 1 0 0\n1 2 3\n", "line 2: 3 words, want 4: start count ignored request"},
		{ARC, "1 1 0 0 0", "line 1: 5 words"},
		{ARC, "-1 1 0 0", `line 1: start is "-1", want a whole number from 0 to 18446744073709551615`},
		{ARC, "\n1 -1 0 0", `line 2: count is "-1", want a whole number from 0 to 1048576`},
		{ARC, "1 1048577 0 0", `count is "1048577"`},
		{ARC, "1 1e3 0 0", `count is "1e3"`},
		{ARC, "18446744073709551615 2 0 0", "start 18446744073709551615 and count 2 go beyond 64 bits"},
		{ARC, "18446744073709551616 1 0 0", `start is "18446744073709551616"`},
		{ARC, "1 0 0 0", "no request in it"},
		{LIRS, "1\n2x\n", `line 2: key is "2x"`},
		{LIRS, strings.Repeat("y", 99), `key is "` + strings.Repeat("y", 40) + "…"},
		{LIRS, "*\n", "no request in it"},
		{LIRS, "1\n" + strings.Repeat("1", longestLine+1), "line 2: longer than 1048576 bytes"},
		{BE64, "\x00\x00\x00\x00\x00\x00\x01\x02\x03", "byte 8: 1 bytes left, want a key of 8"},
		{BE64, "1234567", "byte 0: 7 bytes left, want a key of 8"},
		{BE32, "123456", "byte 4: 2 bytes left, want a key of 4"},
		{BE32, "", "no request in it"},
		{Lines, "\n \n", "no request in it"},
		{Lines, gzipMagic, "unexpected EOF"},
		{Lines, gzipMagic + "\x00\x00\x00\x00\x00\x00\xff\xff\xff", "line 1: flate: corrupt input"},
		{ByName, "1\n", "format by name, want one of arc, lirs, be64, be32, lines"},
		{formats, "1\n", "format Format(6), want one of"},
	} {
		trace, err := Read(strings.NewReader(c.in), c.f)
		require.ErrorIs(t, err, ErrTrace, "%v %.20q", c.f, c.in)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, trace)
	}
}

// TestCutOff: a file that was not copied to its end is not taken for a shorter
// trace, wherever it ends, and one whose bytes have changed not for another.
// Seen to fail with the error of the scanner left out.
func TestCutOff(t *testing.T) {
	trace := Synthetic{Requests: 3000}.Trace()
	for _, f := range append(keyFormats(), Lines) {
		data := zipped(encode(trace, f))
		for cut := 4; cut < len(data); cut += 1 + len(data)/200 {
			_, err := Read(bytes.NewReader(data[:cut]), f)
			require.ErrorIs(t, err, ErrTrace, "%v cut at %d", f, cut)
			require.ErrorContains(t, err, "unexpected EOF", "%v cut at %d", f, cut)
		}
		data[len(data)-5] ^= 1 // the length
		_, err := Read(bytes.NewReader(data), f)
		require.ErrorIs(t, err, gzip.ErrChecksum, "%v", f)

		boom := errors.New("boom")
		whole := encode(trace, f)
		_, err = Read(iotest.HalfReader(readerThen(whole[:len(whole)-1], boom)), f)
		require.ErrorIs(t, err, boom, "%v", f)
	}
}

// readerThen gives the data and then fails.
func readerThen(data []byte, err error) *failing { return &failing{bytes.NewReader(data), err} }

type failing struct {
	r   *bytes.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.r.Len() == 0 {
		return 0, f.err
	}
	return f.r.Read(p)
}

// TestTooManyRequests: a short file that says to be long does not fill the memory.
func TestTooManyRequests(t *testing.T) {
	for _, f := range append(keyFormats(), Lines) {
		in := encode(make(Trace, 100), f)
		_, err := read(bytes.NewReader(in), f, 100)
		require.NoError(t, err)
		_, err = read(bytes.NewReader(in), f, 99)
		require.ErrorContains(t, err, "more than 99 requests")
	}
	_, err := read(strings.NewReader("0 1048576 0 0\n"), ARC, 1<<19)
	require.ErrorContains(t, err, "line 1: more than 524288 requests")
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	trace := Trace{3, 1, 3}
	for name, f := range map[string]Format{
		"a.arc": ARC, "a.LIS": ARC, "a.lirs": LIRS, "a.be64": BE64, "a.be32": BE32, "a.log": Lines, "arc": Lines, "a.txt.gz": Lines, "a.arc.gz": ARC, "b.BE64.GZ": BE64,
	} {
		require.Equal(t, f, FormatOf(name), name)
		data := encode(trace, f)
		if strings.HasSuffix(strings.ToLower(name), ".gz") {
			data = zipped(data)
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		got, err := Open(path, ByName)
		require.NoError(t, err, name)
		if f == Lines {
			require.Equal(t, Trace{0, 1, 0}, got)
			got, err = Open(path, LIRS)
			require.NoError(t, err, "an explicit format wins over the name")
		}
		require.Equal(t, trace, got)
	}
	path := filepath.Join(dir, "bad.lirs")
	require.NoError(t, os.WriteFile(path, []byte("1\nx"), 0o600))
	_, err := Open(path, ByName)
	require.ErrorIs(t, err, ErrTrace)
	require.ErrorContains(t, err, path+`: line 2: key is "x"`)
	_, err = Open(filepath.Join(dir, "none"), ByName)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotErrorIs(t, err, ErrTrace, "no trace is not a bad one")
	_, err = Open(dir, ByName)
	require.Error(t, err)
}

func TestFormatNames(t *testing.T) {
	seen := map[string]bool{}
	for f := range formats + 1 {
		require.False(t, seen[f.String()], f)
		seen[f.String()] = true
	}
}
