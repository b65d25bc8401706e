// Package canary makes secrets for tests: of some seventy kinds, in the form in which people leave them in files, and
// random, so that a byte of one in the wrong place cannot be there by accident, and none in this repository looks like
// one to whoever scans it.
package canary

import (
	"math/rand/v2"
	"strings"
)

// Canary is a planted secret.
type Canary struct {
	Kind   string
	Text   string   // a line, or several, as they stand in a file
	Secret []string // the random parts of Text; none of their bytes may leave
}

// kinds are lines in which {c:n} stands for n random letters of a class: a letters of both cases and digits, l small
// ones and digits, u capitals and digits, x hexadecimal, d digits, b base64, p what a person would take for a password,
// B lines of base64 as in a key file.
var kinds = []struct{ name, text string }{
	{"aws-key-id", `aws_access_key_id = AKIA{2:16}`},
	{"aws-secret", `aws_secret_access_key = {b:40}`},
	{"aws-quoted", `	AWSSecretKey: "{b:40}",`},
	{"github-pat", `GITHUB_TOKEN=ghp_{a:36}`},
	{"github-fine", `token: github_pat_{a:22}_{a:59}`},
	{"github-oauth", `const t = "gho_{a:36}";`},
	{"github-app", `ghs_{a:36}`},
	{"gitlab-pat", `CI_TOKEN: glpat-{a:20}`},
	{"gitlab-runner", `registration = "glrt-{a:20}"`},
	{"slack-bot", `SLACK="xoxb-{d:12}-{d:12}-{a:24}"`},
	{"slack-webhook", `url = "https://hooks.slack.com/services/T{u:8}/B{u:8}/{a:24}"`},
	{"slack-app", `xapp-1-A{u:10}-{d:13}-{x:64}`},
	{"stripe-live", `stripe.api_key = 'sk_live_{a:24}'`},
	{"stripe-webhook", `WEBHOOK = "whsec_{a:32}"`},
	{"openai", `export OPENAI_API_KEY=sk-proj-{a:48}`},
	{"openai-old", `client = OpenAI("sk-{a:48}")`},
	{"anthropic", `ANTHROPIC_API_KEY="sk-ant-api03-{a:93}AA"`},
	{"groq", `key = "gsk_{a:52}"`},
	{"cerebras", `CEREBRAS_API_KEY = csk-{l:48}`},
	{"huggingface", `HF_TOKEN=hf_{z:34}`},
	{"google-api", `apiKey: "AIza{a:35}",`},
	{"google-oauth", `"client_secret": "GOCSPX-{a:28}"`},
	{"google-token", `Authorization: Bearer ya29.{a:64}`},
	{"npm", `//npm.example.com/:_authToken=npm_{a:36}`},
	{"npm-auth", `_auth={b:40}`},
	{"npm-password", `//npm.example.com/:_password="{b:32}"`},
	{"pypi", `password = pypi-AgEIcHlwaS5vcmc{a:60}`},
	{"rubygems", `:rubygems_api_key: rubygems_{x:48}`},
	{"docker", `DOCKER_TOKEN=dckr_pat_{a:27}`},
	{"docker-auth", `"auth": "{b:44}"`},
	{"sendgrid", `SENDGRID=SG.{a:22}.{a:43}`},
	{"mailgun", `mailgun_key: key-{x:32}`},
	{"mailchimp", `{x:32}-us12`},
	{"twilio", `sid = SK{x:32}`},
	{"telegram", `bot = "{d:9}:AA{a:33}"`},
	{"discord", `client.run("M{a:23}.{a:6}.{a:38}")`},
	{"shopify", `shpat_{x:32}`},
	{"square", `sq0atp-{a:22}`},
	{"digitalocean", `dop_v1_{x:64}`},
	{"databricks", `dapi{x:32}`},
	{"linear", `lin_api_{a:40}`},
	{"notion", `ntn_{d:11}{a:35}`},
	{"grafana", `glsa_{a:32}_{x:8}`},
	{"pulumi", `pul-{x:40}`},
	{"vault", `VAULT_TOKEN=hvs.{a:95}`},
	{"terraform", `token = "{l:14}.atlasv1.{a:64}"`},
	{"heroku", `HEROKU_API_KEY={x:8}-{x:4}-{x:4}-{x:4}-{x:12}`},
	{"datadog", `DATADOG_API_KEY={x:32}`},
	{"cloudflare", `CLOUDFLARE_API_TOKEN={a:40}`},
	{"fastly", `fastly_token = "{a:32}"`},
	{"newrelic", `NRAK-{u:27}`},
	{"sentry", `sntryu_{x:64}`},
	{"postman", `PMAK-{x:24}-{x:34}`},
	{"age", `AGE-SECRET-KEY-1{q:58}`},
	{"azure-storage", `DefaultEndpointsProtocol=https;AccountName=a;AccountKey={b:86}==;EndpointSuffix=core.windows.net`},
	{"azure-sas", `https://a.blob.core.windows.net/c?sv=2022&sig={a:44}%3D`},
	{"jwt", `cookie = "eyJhbGciOiJIUzI1NiJ9.eyJ{a:40}.{a:43}"`},
	{"basic-auth", `Authorization: Basic {b:40}`},
	{"bearer", `-H "Authorization: Bearer {a:40}"`},
	{"url", `DATABASE_URL=postgres://app:{p:14}@db.internal:5432/app`},
	{"redis-url", `"redis://:{p:16}@cache:6379/0"`},
	{"mongo-url", `mongodb+srv://root:{p:12}@cluster0.example.net/test`},
	{"jdbc", `jdbc:mysql://db/app?user=root&password={p:12}`},
	{"dsn", `Server=db;User Id=sa;Password={p:14};`},
	{"env-password", `DB_PASSWORD={p:12}`},
	{"go-password", `	password := "{p:12}"`},
	{"go-const", `const adminPassword string = "{p:14}"`},
	{"py-secret", `SECRET_KEY = '{p:24}'`},
	{"js-object", `  { user: "root", password: "{p:12}" },`},
	{"json", `{"username": "bob", "password": "{p:12}"}`},
	{"escaped-json", `body := "{\"password\": \"{p:12}\"}"`},
	{"yaml", `  db_password: {p:12}`},
	{"xml", `  <password>{p:12}</password>`},
	{"netrc", `machine example.com login bob password {p:12}`},
	{"flag", `mysql --password={p:12} app`},
	{"flag-space", `tool --api-token {a:24} run`},
	{"setenv", `os.Setenv("DB_PASSWORD", "{p:12}")`},
	{"call", `conn.setPassword("{p:12}");`},
	{"java", `private static final String API_KEY = "{a:32}";`},
	{"rust", `let token: &str = "{a:32}";`},
	{"hmac", `hmac_key = bytes.fromhex("{x:64}")`},
	{"bcrypt", `root:$2b$12${a:53}`},
	{"shadow", `root:$6${a:8}${a:86}:19000:0:99999:7:::`},
	{"curl", `curl -u bob:{p:12} https://example.com`},
	{"random", `x = "{b:64}"`},
	{"pem", "-----BEGIN RSA PRIVATE KEY-----\n{B:5}\n-----END RSA PRIVATE KEY-----"},
	{"openssh", "-----BEGIN OPENSSH PRIVATE KEY-----\n{B:7}\n-----END OPENSSH PRIVATE KEY-----"},
	{"pem-in-json", `"private_key": "-----BEGIN PRIVATE KEY-----\n{b:64}\n{b:64}\n{b:20}\n-----END PRIVATE KEY-----\n",`},
	{"kubernetes", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  one: {b:24}\n  two: {b:16}"},
}

// values are lines of files that hold values, in which a password may be a word.
var values = []struct{ name, text string }{
	{"yaml-word", `  password: {w:14}`},
	{"yaml-words", `  smtp_passwd: {w:9}-{w:10}`},
	{"list-word", `  - secret: '{w:12}'`},
	{"properties-word", `spring.datasource.password={w:12}`},
	{"ini-word", `passphrase = {w:13}`},
	{"ini-token", `api_token = {w:9}12`},
}

// PlantValues makes one canary of every kind that only a file that holds values gives away.
func PlantValues(rng *rand.Rand) []Canary {
	list := make([]Canary, len(values))
	for i, k := range values {
		list[i] = expand(rng, k.name, k.text)
	}
	return list
}

const (
	lowers  = "abcdefghijklmnopqrstuvwxyz"
	uppers  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	numbers = "0123456789"
)

var classes = map[byte]string{
	'a': lowers + uppers + numbers, 'w': lowers, 'l': lowers + numbers, 'u': uppers + numbers, 'x': "0123456789abcdef", 'd': numbers, 'z': lowers + uppers,
	'b': lowers + uppers + numbers + "+", 'p': lowers + uppers + numbers + "!_", 'q': "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", '2': "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
}

// Plant makes one canary of every kind.
func Plant(rng *rand.Rand) []Canary {
	list := make([]Canary, len(kinds))
	for i, k := range kinds {
		list[i] = expand(rng, k.name, k.text)
	}
	return list
}

func expand(rng *rand.Rand, kind, text string) Canary {
	c := Canary{Kind: kind}
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			break
		}
		if i+4 > len(text) || text[i+2] != ':' || text[i+3] < '0' || text[i+3] > '9' {
			b.WriteString(text[:i+1])
			text = text[i+1:]
			continue
		}
		class, n, j := text[i+1], 0, i+3
		for ; text[j] != '}'; j++ {
			n = 10*n + int(text[j]-'0')
		}
		b.WriteString(text[:i])
		text = text[j+1:]
		if class == 'B' {
			for line := range n {
				length := 64
				if line == n-1 {
					length = 28
				} else if line > 0 {
					b.WriteByte('\n')
				}
				if line == n-1 {
					b.WriteByte('\n')
				}
				s := random(rng, 'b', length)
				b.WriteString(s)
				c.Secret = append(c.Secret, s)
			}
			continue
		}
		s := random(rng, class, n)
		b.WriteString(s)
		c.Secret = append(c.Secret, s)
	}
	b.WriteString(text)
	c.Text = b.String()
	return c
}

// random makes n letters of a class, of every sort that a generator of keys would see to.
func random(rng *rand.Rand, class byte, n int) string {
	letters := classes[class]
	s := make([]byte, n)
	for i := range s {
		s[i] = letters[rng.IntN(len(letters))]
	}
	if n >= 8 && strings.ContainsAny(letters, "2") {
		for i, sort := range []string{"7", "k", "Q"} {
			if strings.Contains(letters, sort) {
				s[1+2*i] = sort[0]
			}
		}
	}
	return string(s)
}
