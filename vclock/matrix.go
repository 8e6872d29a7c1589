package vclock

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// The errors of a Matrix. Whatever returns one has changed nothing.
var (
	// ErrMember: who is no member, or is one already.
	ErrMember = errors.New("vclock: bad member")

	// ErrStale: who joins, and does not know what all members know.
	ErrStale = errors.New("vclock: behind the stable cut")
)

// Matrix is a matrix clock: what each member of a group is known to know. It is a Vector for each of
// them. What is in all vectors is known to all, and that all know it is known here:
//
//	        a  b  c      what is known of whom
//	a       3  2  1      a knows of three events of its own, two of b, one of c
//	b       1  2  0
//	c       2  2  4
//	stable  1  2  0      a:1, b:1 and b:2 are known to all
//
// That is the stable cut. An event below it is never asked for again, so what was kept for
// those who might not have it (a log, a tombstone, a message) can go. Whoever says nothing holds it
// back: Behind says who that is.
//
// Who has the rows of others, from messages that carry a Matrix, uses Merge; who sees only vectors, as
// those of a Message, uses Observe. Either way a row is at most what its member knows, because news
// takes time. So Stable is never too much, as long as the members are right:
//
//	Join      begins with a full copy, which the new member must have and say so: if it knew
//	          less than all others, it would ask for what they have thrown away
//	Forget    lets the others go on without a member. If it comes back, it must Join
//
// Both are for an operator, or for whatever decides on membership, and no message does it: neither
// Observe nor Merge adds a member or removes one. So the cut never goes back.
//
// Wuu and Bernstein: Efficient Solutions to the Replicated Log and Dictionary Problems, 1984, has the
// table; Sarin and Lynch: Discarding Obsolete Information in a Replicated Database System, 1987,
// what it is good for.
//
// It is a value: an assigned copy never changes. The zero Matrix has no members, and nothing is
// stable in it. It is safe for concurrent readers; a writer needs exclusive access.
//
//	Observe     as Vector.Merge, and a copy of n pointers; for each number that may raise the cut
//	            a look at other rows, up to one that holds it back
//	Stable      nothing: it is kept up to date (BenchmarkStable)
//	memory      n vectors of n numbers
//	bad at      many members: 1,000 of them have a million numbers
type Matrix struct {
	// All are immutable: who changes m makes others.
	members []ID      // sorted
	rows    []*Vector // of each member
	stable  Vector    // the least of the rows
}

// NewMatrix returns one of members of which nothing is known yet.
func NewMatrix(members ...ID) (m Matrix, err error) {
	for _, id := range members {
		if err := m.Join(id, Vector{}); err != nil {
			return Matrix{}, err
		}
	}
	return m, nil
}

// Join adds a member that is known to know so much. It must be no less than what is stable, or the new one
// would need what others may have forgotten: ErrStale.
func (m *Matrix) Join(id ID, knows Vector) error {
	if err := id.check(); err != nil {
		return err
	}
	i, is := slices.BinarySearch(m.members, id)
	if is {
		return fmt.Errorf("%w: %v is one already", ErrMember, id)
	}
	if !knows.Descends(m.stable) {
		return fmt.Errorf("%w: %v knows %v, all know %v", ErrStale, id, knows, m.stable)
	}
	if len(m.members) == 0 {
		m.stable = knows
	}
	m.members = slices.Concat(m.members[:i], []ID{id}, m.members[i:])
	m.rows = slices.Concat(m.rows[:i], []*Vector{&knows}, m.rows[i:])
	return nil
}

// Forget removes a member, and reports whether it was one. What it did not know holds nothing back any
// more, so it must never be asked for what it has missed: if it comes back, it has to Join.
func (m *Matrix) Forget(id ID) bool {
	i, is := slices.BinarySearch(m.members, id)
	if !is {
		return false
	}
	m.members = slices.Concat(m.members[:i], m.members[i+1:])
	m.rows = slices.Concat(m.rows[:i], m.rows[i+1:])
	m.stable = least(m.rows)
	return true
}

// least is what all rows have. No rows have nothing.
func least(rows []*Vector) (v Vector) {
	for i, row := range rows {
		if i == 0 {
			v = *row
		} else {
			v = v.Meet(*row)
		}
	}
	return v
}

// Observe takes in that a member knows, or knew, so much, and reports whether that is news. Who is no
// member is an error.
func (m *Matrix) Observe(member ID, knows Vector) (bool, error) {
	i, is := slices.BinarySearch(m.members, member)
	if !is {
		return false, fmt.Errorf("%w: %v is none", ErrMember, member)
	}
	row := *m.rows[i]
	if !row.Merge(knows) {
		return false, nil
	}
	before := m.rows[i]
	m.rows = slices.Clone(m.rows)
	m.rows[i] = &row
	m.settle(i, before)
	return true, nil
}

// settle raises the stable cut after a row has grown. A number of it can be larger only where that row
// was at it, and was the last that was. The others are not looked at further than to one that still is, and from
// that row on, because members tend to speak in turn: this one will be heard of last.
func (m *Matrix) settle(i int, before *Vector) {
	row, raised := m.rows[i], false
	var names []ID // that are new to the cut
	var counts numbers
	for j, id := range row.roster.names() {
		was, cut := before.getAt(j, id), m.stable.getAt(j, id)
		n := row.at(j)
		if was > cut || was == n {
			continue
		}
		for k := i + 1; k < i+len(m.rows) && n > cut; k++ {
			n = min(n, m.rows[k%len(m.rows)].getAt(j, id))
		}
		if n <= cut {
			continue
		}
		switch at, is := m.stable.roster.find(id); {
		case !is:
			names, counts = append(names, id), append(counts, n)
		default:
			if !raised {
				m.stable.own()
				raised = true
			}
			m.stable.put(at, m.stable.Len(), n)
		}
	}
	m.stable.Merge(tally{row.roster.of(names), counts}.vector())
}

// getAt is Get, of a name that is often at a certain place.
func (v *Vector) getAt(i int, id ID) uint64 {
	if names := v.roster.names(); i < len(names) && names[i] == id {
		return v.counts().at(i, len(names))
	}
	return v.Get(id)
}

// Merge takes in what another Matrix knows of the members of m, and reports whether that was any
// news. Who is no member of m does not become one. Who receives a message from somebody also
// knows what that one knows: that is an Observe more, of who receives.
func (m *Matrix) Merge(n Matrix) bool {
	rows, news := slices.Clone(m.rows), false
	for i, j := 0, 0; i < len(m.members) && j < len(n.members); {
		switch a, b := m.members[i], n.members[j]; {
		case a < b:
			i++
		case a > b:
			j++
		default:
			if row := *rows[i]; row.Merge(*n.rows[j]) {
				rows[i], news = &row, true
			}
			i, j = i+1, j+1
		}
	}
	if news {
		m.rows, m.stable = rows, least(rows)
	}
	return news
}

// Get returns what a member is known to know, and whether it is one.
func (m Matrix) Get(id ID) (Vector, bool) {
	i, is := slices.BinarySearch(m.members, id)
	if !is {
		return Vector{}, false
	}
	return *m.rows[i], true
}

// All ranges over what each member is known to know, in the order of names.
func (m Matrix) All() iter.Seq2[ID, Vector] {
	return func(yield func(ID, Vector) bool) {
		for i, id := range m.members {
			if !yield(id, *m.rows[i]) {
				return
			}
		}
	}
}

// Len returns how many members there are.
func (m Matrix) Len() int { return len(m.members) }

// Stable returns what all members are known to know. It never goes back, except that
// it is nothing when the last member has been forgotten.
func (m Matrix) Stable() Vector { return m.stable }

// Behind returns who is not known to know an event: those that keep it from being stable.
func (m Matrix) Behind(d Dot) (behind []ID) {
	for i, id := range m.members {
		if !m.rows[i].Contains(d) {
			behind = append(behind, id)
		}
	}
	return behind
}

// AppendBinary writes the canonical binary form. The names of all replicas that anybody knows of
// come once, and then for each member a number for each of them, so that a matrix of n members takes
// n² numbers, and not n² names. Read back, the rows share their names.
//
//	{"a":{"a":3,"b":2}, "b":{"b":300}}    30   02 01 61 01 62   02 01 61 01 62   03 02   00 ac 02
//	                                      form members          replicas         row a   row b
func (m Matrix) AppendBinary(b []byte) ([]byte, error) {
	b = appendNames(append(b, kindMatrix.form()), m.members)
	replicas := m.replicas()
	b = appendNames(b, replicas)
	for _, row := range m.rows {
		for j, id := range replicas {
			b = binary.AppendUvarint(b, row.getAt(j, id))
		}
	}
	return b, nil
}

// replicas are those of which some member knows something.
func (m Matrix) replicas() []ID {
	var all Vector
	for _, row := range m.rows {
		if !all.roster.same(row.roster) {
			all.Merge(*row)
		}
	}
	return all.roster.names()
}

func appendNames(b []byte, names []ID) []byte {
	b = binary.AppendUvarint(b, uint64(len(names)))
	before := ID("")
	for _, id := range names {
		b = AppendID(b, before, id)
		before = id
	}
	return b
}

// MarshalBinary is AppendBinary to nothing.
func (m Matrix) MarshalBinary() ([]byte, error) { return m.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (m *Matrix) UnmarshalBinary(b []byte) error {
	d := decode(kindMatrix, b)
	members, replicas := d.names(), rosterOf(d.names())
	n := Matrix{members: members}
	known := make([]bool, replicas.len())
	for range members {
		row := d.row(replicas, known)
		if d.err != nil {
			return d.err
		}
		n.rows = append(n.rows, &row)
	}
	if i := slices.Index(known, false); i >= 0 {
		d.Fail("%v, of which nobody knows", replicas.ids[i])
	}
	if err := d.End(); err != nil {
		return err
	}
	n.stable = least(n.rows)
	*m = n
	return nil
}

func (d *Decoder) names() []ID {
	n := d.Count(2)
	names := make([]ID, 0, n)
	before := ID("")
	for range n {
		before = d.ID(before)
		if d.err != nil {
			return nil
		}
		names = append(names, before)
	}
	return names
}

// row reads a number for each replica, and marks those that are not 0. It keeps the roster if none of them is;
// rows with a 0 have lists of their own, but not all names once more.
func (d *Decoder) row(replicas *roster, known []bool) Vector {
	if d.Left() < replicas.len() {
		d.Fail("it ends in a row")
		return Vector{}
	}
	names := replicas.names()
	counts := make(numbers, 0, len(names))
	for j, id := range names {
		n := d.Number(MaxCount)
		if d.err != nil {
			return Vector{}
		}
		switch known[j] = known[j] || n > 0; {
		case n == 0 && len(names) == replicas.len(): // the first: from here on, names of its own
			names = slices.Clone(names[:j])
		case n > 0 && len(names) < replicas.len():
			names = append(names, id)
		}
		if n > 0 {
			counts = append(counts, n)
		}
	}
	return tally{replicas.part(names), counts}.vector()
}

// MarshalJSON writes an object of the vectors of all members, in the order of names.
func (m Matrix) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, id := range m.members {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(string(id)) // a string has a form
		b = append(append(b, name...), ':')
		b = append(b, m.rows[i].text(",")...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads an object of vectors in any order. A member that comes twice is an error.
func (m *Matrix) UnmarshalJSON(b []byte) error {
	n, err := parseMatrix(b)
	if err != nil {
		return fmt.Errorf("%w Matrix: %w", ErrCorrupt, err)
	}
	*m = n
	return nil
}

func parseMatrix(b []byte) (m Matrix, err error) {
	rows := map[ID]*Vector{}
	err = eachMember(b, func(d *json.Decoder, name string) error {
		if err := ID(name).check(); err != nil {
			return fmt.Errorf("byte %d: %w", d.InputOffset(), err)
		}
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return notJSON(d, fmt.Sprintf("want a vector for %q", name), err)
		}
		var row Vector
		if err := row.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
		rows[ID(name)] = &row
		m.members = append(m.members, ID(name))
		return nil
	})
	if err != nil {
		return Matrix{}, err
	}
	slices.Sort(m.members)
	for _, id := range m.members {
		m.rows = append(m.rows, rows[id])
	}
	m.stable = least(m.rows)
	return m, nil
}

// String writes a table: a line for each member, a column for each replica, and what is stable below.
func (m Matrix) String() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	replicas := m.replicas()
	line := func(head string, cell func(j int, id ID) string) {
		_, _ = t.Write([]byte(head)) // a Builder takes everything
		for j, id := range replicas {
			_, _ = t.Write([]byte("\t" + cell(j, id)))
		}
		_, _ = t.Write([]byte{'\n'})
	}
	count := func(v *Vector) func(int, ID) string {
		return func(j int, id ID) string { return strconv.FormatUint(v.getAt(j, id), 10) }
	}
	line("", func(_ int, id ID) string { return id.String() })
	for i, id := range m.members {
		line(id.String(), count(m.rows[i]))
	}
	line("stable", count(&m.stable))
	_ = t.Flush()
	return b.String()
}
