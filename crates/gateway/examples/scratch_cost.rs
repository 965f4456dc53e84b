//! scratch
use std::{collections::HashMap, sync::Arc, time::{Duration, Instant}};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use serinus_gateway::*; use serinus_llm::*; use serinus_store::*; use serinus_domain::{decide::*, units::Timestamp, id::*};
use serde_json::json;
fn cpu_us() -> f64 { let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap(); s.split(' ').next().unwrap().parse::<f64>().unwrap()/1e3 }
fn main(){
  let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); let up=l.local_addr().unwrap(); l.set_nonblocking(true).unwrap();
  let frame=|c:String|{let d=format!("data: {{\"id\":\"chatcmpl-abc\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-2026\",\"choices\":[{c}],\"usage\":null}}\n\n"); format!("{:x}\r\n{d}\r\n",d.len())};
  let mut sse=String::from("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
  for i in 0..50 { sse.push_str(&frame(format!("{{\"index\":0,\"delta\":{{\"content\":\" word{i}\"}},\"finish_reason\":null}}"))); }
  sse.push_str(&frame("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}".into())); sse.push_str("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
  let body=format!("{{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":3}}}}","x".repeat(500));
  let json_answer=format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",body.len());
  std::thread::spawn(move||{ let rt=tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(); rt.block_on(async move{ let l=tokio::net::TcpListener::from_std(l).unwrap(); let (sse,json_answer)=(Arc::new(sse),Arc::new(json_answer)); let mut set=tokio::task::JoinSet::new(); loop { let (mut s,_)=l.accept().await.unwrap(); s.set_nodelay(true).unwrap(); let (sse,json_answer)=(sse.clone(),json_answer.clone()); set.spawn(async move { let mut b=vec![0;65536]; loop{ let n=s.read(&mut b).await.unwrap_or(0); if n==0 {break} let stream=b[..n].windows(17).any(|w|w==b"text/event-stream"); if s.write_all(if stream {sse.as_bytes()} else {json_answer.as_bytes()}).await.is_err() {break} } }); } })});
  // gateway thread
  let (tx, rx) = std::sync::mpsc::channel(); let cpu=Arc::new(std::sync::Mutex::new(0.0)); let cpu2=cpu.clone();
  std::thread::spawn(move||{ let rt=tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(); rt.block_on(async move{
    let store:SharedStore=Arc::new(MemoryStore::default()); let timer:Arc<dyn Timer>=Arc::new(ScaledTimer::real_time());
    let live=Live::start(store.clone(),store.clone(),store.clone(),"n",None,||Timestamp(1)).await;
    let mut set=tokio::task::JoinSet::new(); set.spawn(live.clone().run(Default::default()));
    for (kind,name,content) in [("model","a",json!({"provider":"fake","model":"m"})),("model","b",json!({"provider":"fake","model":"n"})),("system_prompt","s",json!({"text":"Be kind to everyone who asks."}))] {
      let a=live.load(); let p=publish_artifact(&a.snapshot,&a.contents,&PublishRequest{kind:kind.parse().unwrap(),name:name.parse().unwrap(),content,requires:vec![],message:"".into(),actor:"x".into()},Timestamp(1)).unwrap();
      Blobs::put(&*store,&p.blob).await.unwrap(); let r=Log::append(&*store,&p.draft.unwrap(),Timestamp(1)).await.unwrap(); live.wait_for(r.body.number,Duration::from_secs(5)).await.unwrap(); }
    let a=live.load(); let doc=serde_json::from_value(json!({"key":"support","control":{"model":"model/a@1","system_prompt":"system_prompt/s@1"}})).unwrap();
    let r=Log::append(&*store,&put_feature(&a.snapshot,&a.contents,&doc,"x",Timestamp(1)).unwrap(),Timestamp(1)).await.unwrap(); live.wait_for(r.body.number,Duration::from_secs(5)).await.unwrap();
    let client=OpenAiCompatible::new(ProviderConfig{key:serinus_llm::ProviderKey::new("fake"),base_url:format!("http://{up}/v1"),api_key:None,connect_timeout:Duration::from_secs(5)},timer.clone(),Arc::new(||0.5)).unwrap();
    let n=std::sync::atomic::AtomicU64::new(1);
    let config=GatewayConfig{environment:"p".parse().unwrap(),providers:HashMap::from([("fake".parse().unwrap(),Provider::new(client))]),pseudonym_key:[7;32],timer,random:Arc::new(move||u128::from(n.fetch_add(1,std::sync::atomic::Ordering::Relaxed).wrapping_mul(0x9E3779B97F4A7C15))),pin_life:PinLife::default(),cors_origins:vec![],limits:GatewayLimits::default()};
    let (gw,tasks)=Gateway::new(config,live,store.clone(),store.clone()).unwrap();
    set.spawn(tasks.run(Default::default()));
    let l=tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(); tx.send(l.local_addr().unwrap()).unwrap();
    set.spawn(async move { loop { tokio::time::sleep(Duration::from_millis(5)).await; *cpu2.lock().unwrap()=cpu_us(); } });
    use axum::serve::ListenerExt; axum::serve(l.tap_io(|s|{let _=s.set_nodelay(true);}),router(gw)).await.unwrap();
  })});
  let addr=rx.recv().unwrap();
  let rt=tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
  rt.block_on(async move {
    for (name,stream) in [("json",false),("sse",true)] { for conns in [1usize,32] {
      let per= if conns==1 {3000} else {800}; let per = if stream {per/4} else {per};
      let run=|per:usize| async move { let mut set=tokio::task::JoinSet::new(); for c in 0..conns { set.spawn(async move { let mut s=tokio::net::TcpStream::connect(addr).await.unwrap(); s.set_nodelay(true).unwrap(); let mut lat=vec![]; let mut b=vec![0;65536];
        for i in 0..per { let body=format!("{{\"model\":\"support\",\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}],\"serinus\":{{\"session\":\"c{c}-{}\"}}}}","q".repeat(400),i/8);
          let req=format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",body.len()); let t=Instant::now(); s.write_all(req.as_bytes()).await.unwrap();
          let mut got=0; loop { let n=s.read(&mut b[got..]).await.unwrap(); assert!(n>0); got+=n; let done = if stream { b[..got].ends_with(b"0\r\n\r\n") } else { b[..got].ends_with(b"}}") }; if done {break} } lat.push(t.elapsed().as_micros()); assert!(b.starts_with(b"HTTP/1.1 200")); }
        lat }); } let mut all=vec![]; while let Some(r)=set.join_next().await { all.extend(r.unwrap()); } all.sort(); all };
      run(per/10).await; tokio::time::sleep(Duration::from_millis(50)).await; let c0=*cpu.lock().unwrap(); let t=Instant::now(); let all=run(per).await; let wall=t.elapsed(); tokio::time::sleep(Duration::from_millis(50)).await; let c1=*cpu.lock().unwrap();
      println!("{name} c={conns} n={} cpu {:.1} us/req  p50 {} p99 {} us  {:.0} req/s", all.len(), (c1-c0)/all.len() as f64, all[all.len()/2], all[all.len()*99/100], all.len() as f64/wall.as_secs_f64());
    } }
  });
}
