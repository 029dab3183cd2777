# Calls every operation of packaging/openapi.json over the Unix socket with OpenAPI::Client, Debian's
# libopenapi-client-perl, which makes its methods of the document when it is loaded and refuses
# what the document does not let through. ./generated runs it:
#     perl openapi_client.pl DOCUMENT SOCKET
use v5.32;
use warnings;
use Mojo::JSON qw(decode_json false true);
use Mojo::UserAgent;
use OpenAPI::Client;

my ($document, $socket) = @ARGV;
my $client = OpenAPI::Client->new("file://$document");
$client->base_url->scheme('http+unix')->host($socket)->port(undef);
my $spec = $client->validator->data;
my %called;
my $failures = 0;

sub fail {
    my ($what) = @_;
    ++$failures;
    say "FAILED  $what";
}

# One line for each: the status, and by its field what it is about.
sub try {
    my ($id, $status, $parameters, %more) = @_;
    my $holds = delete $more{holds} // sub { 1 };
    my $tx = $client->$id({%$parameters}, %more);  # it puts the body in there
    my $answer = $tx->res;
    ++$called{$id};
    return fail("$id: $status expected: " . ($answer->code // $tx->error->{message}) . ' ' . $answer->body)
        if ($answer->code // 0) != $status;
    my $type = $answer->headers->content_type =~ s/;.*//r;
    local $_ = $type eq 'application/json' ? $answer->json : $answer->body;
    return fail("$id $status: " . $answer->body) unless $holds->();
    say "ok      $id $status $type";
}

my $web = {target => 'web'};
my $nobody = {target => 'wep'};
sub has_failed { my ($code) = @_; return sub { $_->{error}{code} eq $code } }
sub is_ok { $_->{ok} }

# A parameter or a body that the document forbids does not leave the client (its 400 has "errors").
sub refuses {
    my ($id, $parameters, %more) = @_;
    my $tx = $client->$id({%$parameters}, %more);  # it puts the body in there
    my $said = $tx->res->json // {};
    return fail("$id: what the document forbids is let through") unless $said->{errors};
    say "ok      $id refuses $said->{errors}[0]{path}";
}

try start => 200, {target => '*'}, json => {};
try getStatus => 200, {}, holds => sub { grep { $_->{name} eq 'web@2' } @{$_->{programs}} };
try getProgram => 200, $web, holds => sub { @{$_->{instances}} == 2 };
try getProgram => 404, $nobody, holds => has_failed('no_such_program');
try getTree => 200, {}, holds => sub { @{$_->{programs}} };
try getZombies => 200, {}, holds => sub { $_->{zombies} };
try getDoctor => 200, {}, holds => sub { @{$_->{findings}} };
for my $id (qw(stop start restart reload reset)) {
    try $id => 200, $web, json => {wait => true, timeout => '10s'}, holds => \&is_ok;
    try $id => 200, $web, holds => \&is_ok;
    try $id => 404, $nobody, json => {}, holds => has_failed('no_such_program');
    refuses $id, $web, json => {nonsense => 1};
}
try start => 200, {target => 'broken'}, json => {},
    holds => sub { !$_->{ok} && $_->{results}[0]{last_lines}[0] eq 'no configuration' };
try signal => 200, $web, json => {signal => 'CONT', scope => 'tree'}, holds => \&is_ok;
try signal => 400, $web, json => {signal => 'NONSENSE'}, holds => has_failed('bad_signal');
refuses signal => $web, json => {};
try scale => 200, $web, json => {instances => $_}, holds => \&is_ok for 3, 2;
refuses scale => $web, json => {instances => 0};
my %jobs = (json => {name => 'jobs', program => {command => ['sleep', '86400'], ready => {after => '0s'}}});
try run => 200, {}, %jobs, holds => \&is_ok;
try run => 409, {}, %jobs, holds => has_failed('conflict');
try remove => 200, {target => 'jobs'}, json => {}, holds => \&is_ok;
try attach => 426, {target => 'terminal'}, holds => has_failed('upgrade_required');
try getLogs => 200, {%$web, lines => 'all', stream => 'stdout'}, holds => sub { /^web\@1 \| listening$/m };
try getLogs => 200, {%$web, lines => '20', marks => true}, holds => sub { /run \d+/ };
try getLogs => 404, {%$web, run => 99}, holds => has_failed('no_such_run');
try getOwnLog => 200, {lines => '5'}, holds => sub { length };
try diffConfig => 200, {}, json => {}, holds => \&is_ok;
try applyConfig => 200, {}, json => {timeout => '10s'}, holds => \&is_ok;
try livez => 200, {}, holds => sub { $_ eq "alive\n" };
try readyz => 200, {}, holds => sub { $_ eq "ready\n" };
try metrics => 200, {}, holds => sub { /^reeve_program_up\{program="web",number="1"\} 1$/m };

# A stream without an end: its pieces as they come, until there is enough.
{
    my ($text, $events) = ('', 0);
    ++$called{getEvents};
    $client->ua->once(start => sub {
        my ($ua, $tx) = @_;
        $tx->res->content->unsubscribe('read')->on(read => sub {
            my ($content, $bytes) = @_;
            $text .= $bytes;
            while ($text =~ s/^.*?\ndata: ([^\n]*)\n\n//s) {
                my $event = decode_json $1;
                ++$events if $event->{id} && $event->{event} && $event->{data};
            }
            $tx->closed if $events >= 10;
        });
    });
    $client->ua->inactivity_timeout(5);
    $client->getEvents({since => 0});
    $client->ua(Mojo::UserAgent->new);  # the connection was hung up on in the middle of it
    if ($events >= 10) { say 'ok      getEvents 200 text/event-stream' }
    else { fail("getEvents: $events events") }
}

for my $id (qw(dashboard upgrade)) {
    my ($operation) = grep { ref && ($_->{operationId} // '') eq $id } map { values %$_ } values %{$spec->{paths}};
    next unless $operation->{'x-reeve-not-in-this-version'};
    try $id => 501, {}, holds => has_failed('not_in_this_version');
}
try shutdown => 202, {}, json => {reason => 'enough'}, holds => \&is_ok;
for my $path (values %{$spec->{paths}}) {
    for my $operation (values %$path) {
        fail("$operation->{operationId}: it was never called") unless $called{$operation->{operationId}};
    }
}
exit($failures ? 1 : 0);
