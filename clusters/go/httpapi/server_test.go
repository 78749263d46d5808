package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"twinload/wallet"
	"twinload/wallet/memory"
)

// nowMs is the test bank's wall clock, one hour after its only entry.
const nowMs = 3_600_000

// newBank has the users ann, bob and eve; ann got 100 coins for a day at time 0 as entry 7.
func newBank(t testing.TB) *wallet.Bank {
	t.Helper()
	users, err := wallet.NewUsers([]string{"ann", "bob", "eve"})
	if err != nil {
		t.Fatal(err)
	}
	var rows wallet.Rows
	rows.Append(wallet.Entry{Seq: 7, Kind: wallet.Recharge, Amount: 100, Party: wallet.NoParty, Ref: 24})
	ledger, err := wallet.NewLedger(users, []int64{0, 1, 1, 1}, rows)
	if err != nil {
		t.Fatal(err)
	}
	return wallet.NewBank(ledger, memory.NewJournal(ledger.Mark()), func() time.Time { return time.UnixMilli(nowMs) })
}

func newServer(t testing.TB, serve Serve) *Server {
	t.Helper()
	s := NewServer(serve, NoStore, slog.New(slog.DiscardHandler))
	s.Ready(newBank(t))
	return s
}

// ask sends a raw target, as it would stand in the request line.
func ask(s http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI = target
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func post(s http.Handler, path, key, body string) *httptest.ResponseRecorder {
	return ask(s, "POST", path, body, "Content-Type", "application/json", "Idempotency-Key", key)
}

const problemText = `{"type":"/problems/%s","title":"%s","status":%d,"detail":"%s"%s}`

func TestReadsAnswerTheContractsBytes(t *testing.T) {
	s := newServer(t, ServeAll)
	balance := `{"user_id":"ann","coins":{"available":100,"frozen":0,"expiring":100},` +
		`"diamonds":{"available":0,"frozen":0,"expiring":0},"lots_open":1,` +
		`"lots":[{"id":7,"kind":"recharge","amount":100,"remaining":100,"expires_at_ms":86400000}],` +
		`"diamond_lots_open":0,"diamond_lots":[],"holds_open":0,"holds":[],` +
		`"lifetime":{"entries":1,"first_ms":0,"last_ms":0,"recharged":100,"bonus":0,"gifted":0,"captured":0,` +
		`"released":0,"received":0,"withdrawn":0,"coins_expired":0,"diamonds_expired":0}}`
	statistics := `{"user_id":"ann","from_ms":0,"to_ms":7200000,"bucket":"hour","bucket_ms":3600000,` +
		`"first_bucket_ms":0,"buckets":2,"kinds":{"recharge":{"count":[1,0],"sum":[100,0]}},` +
		`"top_gifts":[],"top_counterparts":[],"gift_values":{"count":0,"p50":null,"p90":null,"p99":null,` +
		`"by_bucket":{"p50":[null,null],"p90":[null,null],"p99":[null,null]}}}`
	page := `{"user_id":"ann","entries":[{"seq":7,"kind":"recharge","amount":100,"time_ms":0,"party":null,"ref":24}],"next_cursor":null}`
	cases := []struct{ target, mark, body string }{
		{"/v1/users/ann/balance", "7", balance},
		{"/v1/users/ann/balance?ignored=1", "7", balance},
		{"http://wallet.test:80/v1/users/ann/balance", "7", balance},
		{"/v1/users/ann/statistics?from=0&to=7200000&bucket=hour&x", "7", statistics},
		{"/v1/users/ann/transactions", "7", page},
		{"/fib?n=20", "", `{"n":20,"fib":6765}`},
		{"/healthz", "", `{"status":"ok"}`},
		{"/readyz", "", `{"status":"ready"}`},
	}
	for _, c := range cases {
		for _, method := range []string{"GET", "HEAD"} {
			w := ask(s, method, c.target, "")
			want := c.body
			if method == "HEAD" {
				want = ""
			}
			h := w.Header()
			if w.Code != 200 || w.Body.String() != want || h.Get("Content-Type") != "application/json" ||
				h.Get("Content-Length") != fmt.Sprint(len(c.body)) || h.Get("Ledger-As-Of") != c.mark {
				t.Errorf("%s %s: %d %v\n%s\nwant mark %q\n%s", method, c.target, w.Code, h, w.Body, c.mark, want)
			}
		}
	}
}

func TestFaultsAnswerProblemDocuments(t *testing.T) {
	s := newServer(t, ServeAll)
	notFound := fmt.Sprintf(problemText, "not-found", "Not found", 404, "No such resource.", "")
	unknown := fmt.Sprintf(problemText, "unknown-user", "Unknown user", 404, "No user has this id.", "")
	method := fmt.Sprintf(problemText, "method-not-allowed", "Method not allowed", 405, "This resource does not answer that method.", "")
	bad := func(parameter, detail string) string {
		return fmt.Sprintf(problemText, "bad-parameter", "Bad parameter", 400, detail, `,"parameter":"`+parameter+`"`)
	}
	const digits14 = " must be Unix milliseconds: 1 to 14 digits without leading zeros."
	cases := []struct{ method, target, want string }{
		{"GET", "/", notFound},
		{"GET", "*", notFound},
		{"GET", "/v1/users//balance", notFound},
		{"GET", "/v1/users/ann/balance/", notFound},
		{"GET", "//v1/users/ann/balance", notFound},
		{"GET", "/v1/users/../users/ann/balance", notFound},
		{"GET", "http://wallet.test", notFound},
		{"GET", "/v1/users/a%6En/balance", unknown},
		{"GET", "/v1/users/zoe/transactions", unknown},
		{"DELETE", "/v1/users/zoe/balance", method},
		{"get", "/healthz", method},
		{"GET", "/v1/gifts", method},
		{"GET", "/v1/users/zoe/statistics", bad("from", "from is required.")},
		{"GET", "/v1/users/ann/statistics?from=0&to=1&from=0&to=1", bad("from", "from is given more than once.")},
		{"GET", "/v1/users/ann/statistics?from=01&to=1", bad("from", "from"+digits14)},
		{"GET", "/v1/users/ann/statistics?from=0&to=%31", bad("to", "to"+digits14)},
		{"GET", "/v1/users/ann/statistics?from=0&to=0&bucket=", bad("bucket", "bucket must be hour or day.")},
		{"GET", "/v1/users/ann/statistics?from=0&to=0", bad("to", "to must be later than from.")},
		{"GET", "/v1/users/ann/statistics?from=0&to=34560000001", bad("to", "to is too far from from: at most 400 buckets.")},
		{"GET", "/v1/users/ann/transactions?limit=0&cursor=", bad("cursor", "cursor must be 1 to 10 digits without leading zeros.")},
		{"GET", "/v1/users/ann/transactions?limit=101", bad("limit", "limit must be an integer from 1 to 100.")},
		{"GET", "/fib?n=46", bad("n", "n must be an integer from 0 to 45.")},
		{"GET", "/fib", bad("n", "n is required.")},
	}
	for _, c := range cases {
		w := ask(s, c.method, c.target, "")
		if w.Body.String() != c.want || w.Header().Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(c.want, fmt.Sprintf(`"status":%d,`, w.Code)) || w.Header().Get("Ledger-As-Of") != "" {
			t.Errorf("%s %s: %d %v\n%s\nwant\n%s", c.method, c.target, w.Code, w.Header(), w.Body, c.want)
		}
	}
	if allow := ask(s, "PUT", "/fib", "").Header().Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow of a read is %q", allow)
	}
	if allow := ask(s, "PUT", "/v1/gifts", "").Header().Get("Allow"); allow != "POST" {
		t.Errorf("Allow of a write is %q", allow)
	}
}

func TestAHotInstanceServesOnlyTheHotEndpoints(t *testing.T) {
	s := newServer(t, ServeHot)
	for target, want := range map[string]int{
		"/v1/users/ann/balance": 200, "/v1/users/ann/statistics?from=0&to=1": 200, "/fib?n=1": 200, "/metrics": 200,
		"/v1/users/ann/transactions": 404, "/v1/gifts": 404, "/v1/users/ann/recharges": 404,
	} {
		if w := ask(s, "GET", target, ""); w.Code != want {
			t.Errorf("%s: %d; want %d", target, w.Code, want)
		}
	}
}

func TestOnlyOperationsAnswerBeforeTheLedgerIsLoaded(t *testing.T) {
	s := NewServer(ServeAll, NoStore, slog.New(slog.DiscardHandler))
	for target, want := range map[string]int{
		"/healthz": 200, "/version": 200, "/fib?n=3": 200, "/nothing": 404,
		"/readyz": 503, "/v1/users/ann/balance": 503, "/v1/nothing": 503,
	} {
		if w := ask(s, "GET", target, ""); w.Code != want {
			t.Errorf("%s: %d; want %d", target, w.Code, want)
		}
	}
	s.Ready(newBank(t))
	if w := ask(s, "GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("/readyz of a ready server: %d; want 200", w.Code)
	}
}

func TestACorruptUserAnswersAProblem(t *testing.T) {
	users, _ := wallet.NewUsers([]string{"ann"})
	var rows wallet.Rows
	rows.Append(wallet.Entry{Seq: 1, Kind: wallet.Withdrawal, Amount: 1, Party: wallet.NoParty})
	ledger, err := wallet.NewLedger(users, []int64{0, 1}, rows)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServeAll, NoStore, slog.New(slog.DiscardHandler))
	s.Ready(wallet.NewBank(ledger, memory.NewJournal(ledger.Mark()), time.Now))
	want := fmt.Sprintf(problemText, "ledger-corrupt", "Ledger corrupt", 500, "The ledger of this user breaks its rules.", "")
	if w := ask(s, "GET", "/v1/users/ann/balance", ""); w.Code != 500 || w.Body.String() != want {
		t.Errorf("%d %s; want %s", w.Code, w.Body, want)
	}
	if w := ask(s, "GET", "/v1/users/ann/statistics?from=0&to=1", ""); w.Code != 200 {
		t.Errorf("statistics, which fold nothing: %d; want 200", w.Code)
	}
}

func TestWritesAnswerTheContractsBytes(t *testing.T) {
	s := newServer(t, ServeAll)
	steps := []struct{ path, key, body, mark, want string }{
		{"/v1/users/bob/recharges", "a", `{"coins":5,"valid_hours":2}`, "8", `{"seq":8,"user_id":"bob","coins":5,"expires_at_ms":10800000}`},
		{"/v1/gifts", "b", ` { "to":"bob", "from":"ann", "coins":60, "gift_id":9 } `, "10", `{"seq":9,"from":"ann","to":"bob","gift_id":9,"coins":60}`},
	}
	for _, c := range steps {
		w := post(s, c.path, c.key, c.body)
		if w.Code != 201 || w.Body.String() != c.want || w.Header().Get("Ledger-As-Of") != c.mark || w.Header().Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: %d %v\n%s\nwant\n%s", c.path, w.Code, w.Header(), w.Body, c.want)
		}
	}
	for _, c := range steps { // the same requests again
		w := post(s, c.path, c.key, c.body)
		if w.Code != 201 || w.Body.String() != c.want || w.Header().Get("Ledger-As-Of") != c.mark || w.Header().Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s again: %d %v\n%s\nwant\n%s", c.path, w.Code, w.Header(), w.Body, c.want)
		}
	}
	w := ask(s, "GET", "/v1/users/bob/transactions?limit=1", "")
	want := `{"user_id":"bob","entries":[{"seq":10,"kind":"gift_received","amount":60,"time_ms":3600000,"party":"ann","ref":9}],"next_cursor":10}`
	if w.Body.String() != want || w.Header().Get("Ledger-As-Of") != "10" {
		t.Errorf("transactions after the writes: %v %s\nwant %s", w.Header(), w.Body, want)
	}
}

func TestFundsAndKeysAreChecked(t *testing.T) {
	s := newServer(t, ServeAll)
	funds := fmt.Sprintf(problemText, "insufficient-funds", "Insufficient funds", 409, "The wallet does not hold that much.", "")
	reused := fmt.Sprintf(problemText, "idempotency-key-reused", "Idempotency key reused", 422, "This key was used with another request.", "")
	for _, replayed := range []string{"", "true"} {
		w := post(s, "/v1/users/ann/withdrawals", "k", `{"diamonds":1}`)
		if w.Code != 409 || w.Body.String() != funds || w.Header().Get("Idempotency-Replayed") != replayed {
			t.Errorf("a withdrawal of nothing: %d %v %s; want replayed %q", w.Code, w.Header(), w.Body, replayed)
		}
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"another body":  post(s, "/v1/users/ann/withdrawals", "k", `{"diamonds": 1}`),
		"another path":  post(s, "/v1/users/bob/withdrawals", "k", `{"diamonds":1}`),
		"another write": post(s, "/v1/users/ann/recharges", "k", `{"coins":1,"valid_hours":1}`),
	} {
		if w.Code != 422 || w.Body.String() != reused {
			t.Errorf("%s under a used key: %d %s", name, w.Code, w.Body)
		}
	}
	if w := post(s, "/v1/users/zoe/withdrawals", "k", `{"diamonds":1}`); w.Code != 404 {
		t.Errorf("an unknown user under a used key: %d; want 404, the user goes first", w.Code)
	}
}

func TestBodyFaultsNameTheMember(t *testing.T) {
	s := newServer(t, ServeAll)
	const notObject, unknown = "The body must be a JSON object.", "The body has an unknown member."
	cases := []struct{ path, body, parameter, detail string }{
		{"recharges", "", "body", notObject},
		{"recharges", "[1]", "body", notObject},
		{"recharges", `{"coins":1,}`, "body", notObject},
		{"recharges", `{"coins":1,"valid_hours":1} x`, "body", notObject},
		{"recharges", `{"coins":1,"valid_hours":1,"x":{}}`, "body", unknown},
		{"recharges", `{"Coins":1,"valid_hours":1}`, "body", unknown},
		{"recharges", `{"coins":1,"valid_hours":1,"coins":1}`, "coins", "coins is given more than once."},
		{"recharges", `{"coins":1}`, "valid_hours", "valid_hours is required."},
		{"recharges", `{"coins":0,"valid_hours":1}`, "coins", "coins must be an integer from 1 to 1000000."},
		{"recharges", `{"coins":1.0,"valid_hours":1}`, "coins", "coins must be an integer from 1 to 1000000."},
		{"recharges", `{"coins":"1","valid_hours":1}`, "coins", "coins must be an integer from 1 to 1000000."},
		{"recharges", `{"coins":-1,"valid_hours":1}`, "coins", "coins must be an integer from 1 to 1000000."},
		{"recharges", `{"coins":99999999999999999999,"valid_hours":1}`, "coins", "coins must be an integer from 1 to 1000000."},
		{"recharges", `{"coins":1,"valid_hours":8761}`, "valid_hours", "valid_hours must be an integer from 1 to 8760."},
		{"withdrawals", `{"diamonds":null}`, "diamonds", "diamonds must be an integer from 1 to 1000000000."},
		{"gifts", `{"from":1,"to":"bob","gift_id":1,"coins":1}`, "from", "from must be a user id."},
		{"gifts", `{"from":"ann","to":"b b","gift_id":1,"coins":1}`, "to", "to must be a user id."},
		{"gifts", `{"from":"ann","to":"bob","gift_id":201,"coins":1}`, "gift_id", "gift_id must be an integer from 1 to 200."},
		{"gifts", `{"from":"zoe","to":"zoe","gift_id":1,"coins":1}`, "to", "to must differ from from."},
	}
	for _, c := range cases {
		path := "/v1/users/ann/" + c.path
		if c.path == "gifts" {
			path = "/v1/gifts"
		}
		want := fmt.Sprintf(problemText, "bad-parameter", "Bad parameter", 400, c.detail, `,"parameter":"`+c.parameter+`"`)
		if w := post(s, path, "k", c.body); w.Code != 400 || w.Body.String() != want {
			t.Errorf("%s %s: %d %s\nwant %s", path, c.body, w.Code, w.Body, want)
		}
	}
	if w := post(s, "/v1/gifts", "k", `{"from":"ann","to":"zoe","gift_id":1,"coins":1}`); w.Code != 404 {
		t.Errorf("a gift to an unknown user: %d; want 404", w.Code)
	}
}

func TestWritesCheckLengthThenTypeThenKeyThenBody(t *testing.T) {
	s := newServer(t, ServeAll)
	const path = "/v1/users/zoe/recharges"
	large := strings.Repeat(" ", maxBodyBytes+1)
	cases := []struct {
		body    string
		headers []string
		want    int
	}{
		{large, nil, 413},
		{"x", nil, 415},
		{"x", []string{"Content-Type", "text/json"}, 415},
		{"x", []string{"Content-Type", "Application/JSON; charset=utf-8", "Idempotency-Key", "a b"}, 400},
		{"x", []string{"Content-Type", "application/json", "Idempotency-Key", "a", "Idempotency-Key", "a"}, 400},
		{`{"coins":1,"valid_hours":1}`, []string{"Content-Type", "application/json", "Idempotency-Key", "a"}, 404},
	}
	for _, c := range cases {
		if w := ask(s, "POST", path, c.body, c.headers...); w.Code != c.want {
			t.Errorf("%d bytes with %q: %d %s; want %d", len(c.body), c.headers, w.Code, w.Body, c.want)
		}
	}
	r := httptest.NewRequest("POST", path, io.NopCloser(strings.NewReader(large))) // no declared length
	r.ContentLength = -1
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 || w.Header().Get("Connection") != "close" {
		t.Errorf("a large body without a declared length: %d %v; want 413 and close", w.Code, w.Header())
	}
	if w := ask(s, "GET", "/nothing", large); w.Code != 413 || w.Header().Get("Connection") != "close" {
		t.Errorf("a large declared length on no resource: %d %v; want 413 and close", w.Code, w.Header())
	}
}

func TestAFaultyWriteIsToldWhatIsWrongWithIt(t *testing.T) {
	s := newServer(t, ServeAll)
	const good = `{"coins":1,"valid_hours":1}`
	cases := []struct {
		keys              []string
		body              string
		detail, parameter string
	}{
		{nil, good, "Idempotency-Key is required.", "Idempotency-Key"},
		{[]string{"a", "a"}, good, "Idempotency-Key is given more than once.", "Idempotency-Key"},
		{[]string{""}, good, "Idempotency-Key must be 1 to 64 letters, digits, - or _.", "Idempotency-Key"},
		{[]string{"a"}, "{\"coins\":\"\xff\"}", "The body must be a JSON object.", "body"},
		{[]string{"a"}, "{\"\xff\":1}", "The body must be a JSON object.", "body"},
	}
	for _, c := range cases {
		headers := []string{"Content-Type", "application/json"}
		for _, key := range c.keys {
			headers = append(headers, "Idempotency-Key", key)
		}
		want := fmt.Sprintf(problemText, "bad-parameter", "Bad parameter", 400, c.detail, `,"parameter":"`+c.parameter+`"`)
		if w := ask(s, "POST", "/v1/users/ann/recharges", c.body, headers...); w.Code != 400 || w.Body.String() != want {
			t.Errorf("%q with the keys %q: %d %s; want %s", c.body, c.keys, w.Code, w.Body, want)
		}
	}
}

func TestOneChangedEntryChangesTheNextAnswer(t *testing.T) {
	s := newServer(t, ServeAll)
	before := ask(s, "GET", "/v1/users/ann/balance", "").Body.String()
	post(s, "/v1/users/ann/recharges", "k", `{"coins":1,"valid_hours":1}`)
	if after := ask(s, "GET", "/v1/users/ann/balance", "").Body.String(); after == before {
		t.Error("the balance did not change with the ledger")
	}
}

func TestMetricsCountAnswersByEndpointAndCode(t *testing.T) {
	s := newServer(t, ServeHot)
	ask(s, "GET", "/v1/users/ann/balance", "")
	ask(s, "GET", "/v1/users/ann/balance", "")
	ask(s, "GET", "/v1/users/zoe/balance", "")
	w := ask(s, "GET", "/metrics", "")
	lines := map[string]string{}
	scanner := bufio.NewScanner(w.Body)
	for scanner.Scan() {
		name, value, _ := strings.Cut(scanner.Text(), " ")
		lines[name] = value
	}
	for name, want := range map[string]string{
		`wallet_requests_total{endpoint="balance",code="200"}`: "2",
		`wallet_requests_total{endpoint="balance",code="404"}`: "1",
	} {
		if lines[name] != want {
			t.Errorf("%s is %q; want %q", name, lines[name], want)
		}
	}
	for _, name := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes"} {
		if lines[name] == "" || strings.HasPrefix(lines[name], "-") {
			t.Errorf("%s is %q; want a value", name, lines[name])
		}
	}
}

func TestVersionNamesTheTwinAndWhatItServes(t *testing.T) {
	w := ask(newServer(t, ServeHot), "GET", "/version", "")
	for _, part := range []string{`"service":"wallet"`, `"twin":"go"`, `"store":"none"`, `"users":3,"entries":1`, `"balance","statistics","fib"`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("/version is %s; want %s in it", w.Body, part)
		}
	}
}
