//! redis-py, the client library for Python.

use std::path::Path;
use std::process::Command;

use crate::process::{Server, run, skipped};

const SCRIPT: &str = r#"
import sys, time, redis
host, port = sys.argv[1], int(sys.argv[2])
for protocol in (2, 3):
    r = redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True, client_name='tester')
    assert r.ping() and r.echo('x') == 'x'
    assert r.client_getname() == 'tester' and isinstance(r.client_id(), int)
    assert any(c['name'] == 'tester' for c in r.client_list())
    assert r.flushall()
    assert r.set('a', '1', ex=100) and r.get('a') == '1' and 99 <= r.ttl('a') <= 100
    assert r.set('a', '2', nx=True) is None and r.set('a', '2', xx=True, keepttl=True)
    assert 99000 <= r.pttl('a') <= 100000 and r.persist('a') and r.ttl('a') == -1
    assert r.set('a', '3', get=True) == '2' and r.get('none') is None
    assert r.incr('n') == 1 and r.incrby('n', 41) == 42 and r.decr('n') == 41
    assert r.mset({'b': 'B', 'c': 'C'}) and r.mget('a', 'b', 'none') == ['3', 'B', None]
    assert r.exists('a', 'b', 'none') == 2 and sorted(r.keys('[bc]')) == ['b', 'c']
    assert r.delete('b', 'c', 'none') == 2 and r.dbsize() == 2
    assert r.pexpire('a', 20) and r.expire('none', 20) is False
    deadline = time.monotonic() + 60
    while r.exists('a'):
        assert time.monotonic() < deadline
    assert r.config_get('appendonly') == {'appendonly': 'no'}
    assert r.info()['redis_mode'] == 'standalone' and r.info('keyspace')['db0']['keys'] >= 1
    assert 'get' in r.command() and r.command_count() > 20
    try:
        r.set('s', 'text'); r.incr('s'); assert False
    except redis.ResponseError as error:
        assert 'not an integer' in str(error), error
    with r.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f'key:{number}', number); pipe.get(f'key:{number}')
        assert pipe.execute() == [x for n in range(1000) for x in (True, str(n))]
    with r.pubsub() as channels:
        channels.subscribe('news'); channels.psubscribe('n*')
        messages = []
        def wait(kind):
            while True:
                message = channels.get_message(timeout=60)
                assert message, 'no message'
                if message['type'] == kind: return message
        wait('psubscribe')
        assert r.publish('news', 'hi') == 2
        assert wait('message')['data'] == 'hi' and wait('pmessage')['channel'] == 'news'
    r.close()
print('done', redis.__version__)
"#;

#[test]
fn redis_py_works_with_both_versions_of_the_protocol() {
    // `.ci/run` installs it here.
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/redis-py");
    let python = || {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &installed);
        python
    };
    let imports = python().args(["-c", "import redis"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        return skipped("python3 has no package redis");
    }
    let server = Server::start(&[]);
    let (host, port) = (server.address.ip(), server.address.port());
    let output = run(
        python().args(["-c", SCRIPT, &host.to_string(), &port.to_string()]),
        b"",
    );
    assert!(output.starts_with("done"), "{output}");
}
