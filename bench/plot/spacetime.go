package plot

import "math"

// SpaceTime is a space-time diagram: a lane for each process, along which time goes, a mark for each event, and
// an arrow for each message. It goes to the right where there is room, and down where the drawing is narrow,
// so that nothing gets smaller.
//
//	wide    a ──●────────●──▶        narrow     a    b
//	              ╲     ╱                       ●
//	        b ─────●───●────▶                   │ ╲  │
//	                                            │   ●▼
//
// Events play roles, of which one is mostly that of a single event which the others are seen from. An arrow, or a
// piece of a lane, shows the role of its two ends if they have one, and that of the other end if one is Chosen; so
// what leads to an event, and what comes of it, stand out.
//
// What cannot be drawn is left out: an event of a lane or a role that is not there, an arrow of such an event.
// It is a plain value: safe for concurrent use as long as nobody changes it.
type SpaceTime struct {
	Title  string // what the diagram shows, for those who cannot see it
	Time   string // the label of the direction of time
	Lanes  []string
	Events []Moment // in the order of time: each has a place of its own in it
	Arrows []Arrow
	Roles  []Role
}

// Moment is an event in a SpaceTime. It is a plain value: safe for concurrent use.
type Moment struct {
	Lane, Role int
	Label      string // a word beside the mark
	Title      string // more, shown on demand
}

// Arrow goes from one event to another, by their numbers. It is a plain value: safe for concurrent use.
type Arrow struct{ From, To int }

// Role has the colour and the mark of the series with its number. It is a plain value: safe for concurrent use.
type Role struct {
	Name   string // in the legend
	Hollow bool   // the marks are empty, and give no colour to what joins them
	Chosen bool   // the marks have a ring
}

const (
	laneStep   = 62.0 // between lanes that lie
	momentStep = 25.0 // between events below each other
	momentMark = 5.4
	momentRing = 10.5
)

// SVG draws it, without style: see Stylesheet and File. The height follows from the number of lanes, or where it is
// narrow of events; only size.Width counts.
func (s SpaceTime) SVG(size Size) string {
	size = size.orDefault()
	p := s.plan(&size)
	c := newCanvas(size, s.Title)
	s.legend(c, float64(size.Width))
	s.lanes(c, p)
	for _, a := range s.Arrows {
		s.arrow(c, p, a)
	}
	for i, e := range s.Events {
		if s.sound(i) {
			s.mark(c, e.Role, p.x(i, e), p.y(i, e), e.Title)
		}
	}
	for i, e := range s.Events {
		if !s.sound(i) || e.Label == "" {
			continue
		}
		if p.down {
			c.halo("start", p.x(i, e)+s.edge(e.Role)+4, p.y(i, e)+fontSize/3, e.Label)
		} else {
			c.halo("middle", p.x(i, e), p.y(i, e)-momentRing-3, e.Label)
		}
	}
	if len(s.Events) == 0 {
		c.text("empty", "middle", float64(size.Width)/2, float64(size.Height)/2, "nothing to draw")
	}
	return c.finish()
}

// sound reports whether there is such an event, and it can be drawn.
func (s SpaceTime) sound(i int) bool {
	if i < 0 || i >= len(s.Events) {
		return false
	}
	e := s.Events[i]
	return e.Lane >= 0 && e.Lane < len(s.Lanes) && e.Role >= 0 && e.Role < len(s.Roles)
}

// spaceTimePlan says where things are: lanes are apart in one direction, and events in the other.
type spaceTimePlan struct {
	down            bool    // time goes down
	lane, apart     float64 // the first lane, and how far the next is
	begin, end      float64 // of the lanes
	moment, between float64 // the first event, and how far the next is
}

// plan lays it out, and sets the height.
func (s SpaceTime) plan(size *Size) spaceTimePlan {
	lanes, events := float64(max(len(s.Lanes), 1)), float64(max(len(s.Events), 1))
	top := 16 + 20*float64(len(s.legendRows(float64(size.Width))))
	if size.Width < legendWrap {
		apart := (float64(size.Width) - 24) / lanes
		begin := top + 22
		size.Height = int(math.Ceil(begin + momentStep*events + 34))
		return spaceTimePlan{
			down: true, lane: 12 + apart/2, apart: apart, begin: begin, end: float64(size.Height) - 28,
			moment: begin + momentStep*0.75, between: momentStep,
		}
	}
	names := 0.0
	for _, name := range s.Lanes {
		names = max(names, textWidth(name))
	}
	begin := min(names+16, float64(size.Width)/3)
	between := (float64(size.Width) - 18 - begin) / events
	size.Height = int(math.Ceil(top + laneStep*lanes + 26))
	return spaceTimePlan{
		lane: top + laneStep*0.65, apart: laneStep, begin: begin, end: float64(size.Width) - 12,
		moment: begin + between/2, between: between,
	}
}

func (p spaceTimePlan) x(i int, e Moment) float64 {
	if p.down {
		return p.lane + p.apart*float64(e.Lane)
	}
	return p.moment + p.between*float64(i)
}

func (p spaceTimePlan) y(i int, e Moment) float64 {
	if p.down {
		return p.moment + p.between*float64(i)
	}
	return p.lane + p.apart*float64(e.Lane)
}

// lanes draws each with its name, and over it the pieces that show a role.
func (s SpaceTime) lanes(c *canvas, p spaceTimePlan) {
	for i, name := range s.Lanes {
		at := p.lane + p.apart*float64(i)
		if p.down {
			c.text("tick", "middle", at, p.begin-8, name)
			c.line("axis", at, p.begin, at, p.end)
		} else {
			c.text("tick", "end", p.begin-8, at+fontSize/3, name)
			c.line("axis", p.begin, at, p.end, at)
		}
	}
	last := make(map[int]int, len(s.Lanes)) // event of a lane
	for i, e := range s.Events {
		if !s.sound(i) {
			continue
		}
		if before, is := last[e.Lane]; is {
			if role, is := s.joined(before, i); is {
				c.line("curve "+seriesClass(role), p.x(before, s.Events[before]), p.y(before, s.Events[before]), p.x(i, e), p.y(i, e))
			}
		}
		last[e.Lane] = i
	}
	if p.down {
		c.text("label", "middle", p.lane+p.apart*float64(max(len(s.Lanes)-1, 0))/2, p.end+20, s.Time)
	} else {
		c.text("label", "middle", (p.begin+p.end)/2, p.lane+p.apart*(float64(max(len(s.Lanes), 1))-0.35), s.Time)
	}
}

// joined returns the role that what joins two events shows, if it shows any.
func (s SpaceTime) joined(from, to int) (role int, is bool) {
	role, other := s.Events[from].Role, s.Events[to].Role
	if s.Roles[role].Chosen {
		role, other = other, role
	}
	is = role == other || s.Roles[other].Chosen
	return role, is && !s.Roles[role].Hollow
}

// arrow draws a message, from the edge of one mark to that of the other.
func (s SpaceTime) arrow(c *canvas, p spaceTimePlan, a Arrow) {
	if !s.sound(a.From) || !s.sound(a.To) || a.From == a.To {
		return
	}
	from, to := s.Events[a.From], s.Events[a.To]
	x1, y1, x2, y2 := p.x(a.From, from), p.y(a.From, from), p.x(a.To, to), p.y(a.To, to)
	length := math.Hypot(x2-x1, y2-y1)
	dx, dy := (x2-x1)/length, (y2-y1)/length
	const head, half = 8.0, 3.6
	tip := length - s.edge(to.Role)
	at := func(along, beside float64) (x, y float64) {
		return x1 + dx*along - dy*beside, y1 + dy*along + dx*beside
	}
	tx, ty := at(tip, 0)
	bx, by := at(tip-head, 0)
	lx, ly := at(tip-head, half)
	rx, ry := at(tip-head, -half)
	sx, sy := at(s.edge(from.Role), 0)
	d := "M" + num(tx) + " " + num(ty) + "L" + num(lx) + " " + num(ly) + "L" + num(rx) + " " + num(ry) + "Z"
	if role, is := s.joined(a.From, a.To); is {
		c.line("curve "+seriesClass(role), sx, sy, bx, by)
		c.path("mark "+seriesClass(role), d)
		return
	}
	c.faint(sx, sy, bx, by, d)
}

// edge is how far a mark reaches.
func (s SpaceTime) edge(role int) float64 {
	if s.Roles[role].Chosen {
		return momentRing + 1
	}
	return momentMark + 1.5
}

// mark draws an event.
func (s SpaceTime) mark(c *canvas, role int, x, y float64, title string) {
	if s.Roles[role].Chosen {
		c.ring(role, x, y, momentRing)
	}
	c.shape(role, x, y, momentMark, s.Roles[role].Hollow, title)
}

// legend writes the roles above the diagram, each behind its mark.
func (s SpaceTime) legend(c *canvas, width float64) {
	y := 18.0
	for _, row := range s.legendRows(width) {
		x := 14.0
		for _, i := range row {
			s.mark(c, i, x, y-4, "")
			c.text("name "+seriesClass(i), "start", x+s.edge(i)+5, y, s.Roles[i].Name)
			x += 1.06*textWidth(s.Roles[i].Name) + legendGap
		}
		y += 20
	}
}

const legendGap = 36 // from the end of a name, which is bold, to that before the next

// legendRows breaks the roles into rows.
func (s SpaceTime) legendRows(width float64) (rows [][]int) {
	x := math.Inf(1)
	for i, role := range s.Roles {
		w := 1.06*textWidth(role.Name) + legendGap
		if x+w > width {
			rows, x = append(rows, nil), 4
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], i)
		x += w
	}
	return rows
}
