package related

import (
	"strings"
	"testing"
)

// TestOutline: the names that a text defines, in order; a member stands behind its type and a dot.
func TestOutline(t *testing.T) {
	for name, tt := range map[string]struct{ language, text, want string }{
		"Go": {"go", `package a

import "fmt"

// Reader reads.
type Reader struct {
	name string
}

type (
	ID   int
	pair struct {
		x, y int
	}
)

const Max = 3

var (
	errLate = errors.New("late")
	a, b    int
)

func New(name string) *Reader {
	var local int
	return &Reader{name}
}

func (r *Reader) Read(
	p []byte,
) (n int, err error) {
	func() {}()
}

func (l List[T]) Len() int { return 0 }
func main()             {}
`, "Reader ID pair Max errLate New Reader.Read List.Len"},
		"TypeScript": {"typescript", `import { x } from './x';
export interface Options extends Base {
  name: string;
  load(path: string): Promise<void>;
}
export type Kind = 'a' | 'b';
export const LIMIT = 10;
export default class Store<T> extends Base {
  private readonly map = new Map<string, T>();
  constructor(private o: Options) {
    super(o);
  }
  get size(): number {
    return this.map.size;
  }
  async fetch(
    key: string,
  ): Promise<T> {
    if (this.map.has(key)) {
      return await load(key);
    }
    console.log(key);
  }
  static of<T>(v: T): Store<T> {
  }
}
export async function main2(args: string[]) {
  const inner = 3;
}
export const handler = async (event: Event) => {
};
declare function external(x: number): void;
enum Color { Red, Green }
export abstract class Shape {
  abstract area(): number;
}
`, "Options Options.load Kind LIMIT Store Store.size Store.fetch Store.of main2 handler external Color Shape Shape.area"},
		"Python": {"python", `import os

LIMIT = 3

@dataclass
class Point(Base):
    x: int

    def norm(self) -> float:
        return 0

    @staticmethod
    async def load(path):
        def helper():
            pass

def parse(
    text: str,
) -> Point:
    if text:
        return Point(text)
`, "Point Point.norm Point.load Point.helper parse"},
		"Rust": {"rust", `use crate::a::B;
pub struct Point { x: i32 }
#[derive(Debug)]
pub(crate) enum Kind {
    A,
}
impl Point {
    pub const fn new(x: i32) -> Self {
        Point { x }
    }
}
impl<T> fmt::Display for Wrapper<T> {
    fn fmt(&self, f: &mut Formatter) -> Result {
        write!(f, "")
    }
}
pub trait Shape {
    fn area(&self) -> f64;
}
const MAX: usize = 3;
pub async unsafe fn run(x: u8) {
}
macro_rules! check { () => {} }
type Alias = Vec<u8>;
`, "Point Kind Point.new Wrapper.fmt Shape Shape.area MAX run check Alias"},
		"Java": {"java", `package a.b;
import java.util.List;
@Deprecated
public final class Store<T> extends Base implements I {
    private static final int MAX = 3;
    private final List<T> items = new ArrayList<>();

    public Store(int size) {
        this.size = size;
    }

    @Override
    public <R> List<R> map(Function<T, R> f) throws IOException {
        for (T t : items) {
            process(t);
        }
        return compute(items);
    }

    interface Visitor {
        void visit(Node n);
    }
}
public enum Color { RED }
record Point(int x, int y) {}
`, "Store Store.Store Store.map Visitor Visitor.visit Color Point"},
		"C": {"c", `#include "a.h"
#define LIMIT 10
struct point {
	int x;
};
typedef struct point point_t;
struct later;
static int add(int a, int b)
{
	int c = add(a, b);
	if (c) {
		call(c);
	}
	return c;
}
const char *name_of(struct point *p);
enum color { RED };
int x = 3;
`, "LIMIT point point_t add name_of color"},
		"C++": {"cpp", `namespace a {
class Store : public Base {
 public:
  explicit Store(int n);
  int size() const { return n_; }
  void run(const std::string& s) override;
 private:
  int n_;
};
}
void Store::run(const std::string& s) {
  helper(s);
}
template <typename T>
T max_of(T a, T b) {
}
`, "Store Store.Store Store.size Store.run Store.run max_of"},
		"Ruby": {"ruby", `module Shop
  class Cart
    def add(item)
      total = 0
    end
    def self.load(path)
    end
  end
end
`, "Shop Cart Cart.add Cart.load"},
		"Kotlin": {"kotlin", `data class Point(val x: Int)
object Store {
    fun load(path: String): Point = TODO()
}
suspend fun run(x: Int) {
}
`, "Point Store Store.load run"},
	} {
		var got []string
		for _, d := range Outline(tt.language, tt.text) {
			n := d.Name
			if d.Owner != "" {
				n = d.Owner + "." + n
			}
			got = append(got, n)
			if line := strings.Split(tt.text, "\n")[d.Line-1]; !strings.Contains(line, d.Name) || !strings.HasPrefix(d.Text, strings.TrimRight(line, " {")[:min(len(line), 10)]) {
				t.Errorf("%s: %s is not on line %d, %q, with the text %q", name, d.Name, d.Line, line, d.Text)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, g, tt.want)
		}
	}
}

// TestOutlineTexts: of a function its signature, of a type what it consists of.
func TestOutlineTexts(t *testing.T) {
	text := "type TT struct {\n\ta int\n\tb string\n}\n\nfunc ff(\n\ta int,\n\tb string,\n) error {\n\treturn nil\n}\ntype UU int\n\nfunc g() {\n"
	var got []string
	for _, d := range Outline("go", text) {
		got = append(got, d.Text)
	}
	want := "type TT struct {\n\ta int\n\tb string\n}\n|func ff(\n\ta int,\n\tb string,\n) error\n|type UU int\n"
	if g := strings.Join(got, "|"); g != want {
		t.Errorf("%q, want %q", g, want)
	}
}

// FuzzOutline: nothing that is not a program stops it either.
func FuzzOutline(f *testing.F) {
	for _, l := range []string{"go", "typescript", "python", "rust", "java", "cpp", "ruby", ""} {
		f.Add(l, "class A {\n  f(\n\nimpl<\n#define\nfunc (r\ntype (\n\tx\n)")
	}
	f.Fuzz(func(t *testing.T, language, text string) {
		lines := strings.Count(text, "\n") + 1
		for _, d := range Outline(language, text) {
			if d.Line < 1 || d.Line > lines || d.Name == "" || d.Text == "" {
				t.Errorf("%+v", d)
			}
		}
		imports(language, "a/b.x", text)
	})
}

// TestOutlineShowsWholeLines: of a definition that is too long, too: half a line may hold half a key, which is not
// recognized as one.
func TestOutlineShowsWholeLines(t *testing.T) {
	member := "\tfield string `" + strings.Repeat("y ", 200) + "end`\n"
	list := Outline("go", "package a\n\ntype Table struct {\n"+strings.Repeat(member, 8)+"}\n")
	if len(list) != 1 || len(list[0].Text) > maxText+1 || !strings.HasSuffix(list[0].Text, member) {
		t.Errorf("%+v", list)
	}
}
