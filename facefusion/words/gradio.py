"""Chinese for texts of Gradio itself; its own translation lacks some, or has Western punctuation."""

from __future__ import annotations

from typing import Final

#: Texts by Gradio's keys, which take precedence over its own.
CHINESE: Final[dict[str, str]] = {
    "blocks.connection_can_break": "在手机上，如果切换标签页或锁屏，连接可能中断，您会失去排队位置。",
    "blocks.long_requests_queue": "现在排队的人很多。",
    "blocks.lost_connection": "因为离开页面，连接已中断。正在重新排队……",
    "blocks.waiting_for_inputs": "图片还在上传，请稍后再试。",
    "common.error": "出错了",
    "common.loading": "加载中",
    "common.progress": "进度",
    "common.complete": "完成",
    "errors.use_via_api": "通过 API 使用",
    "file.uploading": "正在上传……",
    "image.allow_webcam_access": "请在浏览器中允许使用摄像头。",
    "image.no_webcam_support": "这个浏览器不能使用摄像头。",
    "image.drop_to_upload": "把图片拖放到此处",
    "status.queue_position": "排队中：第 {position} 位，共 {size} 位",
    "upload_text.click_to_upload": "点击上传",
    "upload_text.drop_image": "把图片拖放到此处",
    "upload_text.paste_clipboard": "从剪贴板粘贴",
}
#: English texts that are fixed in Gradio's code, and their Chinese.
LITERALS: Final[dict[str, str]] = {
    "Attempting reconnection...": "正在重新连接……",
    "Click to Access Webcam": "点击打开摄像头",
    "Close": "关闭",
    "Connection Lost": "连接中断",
    "Connection to the server was lost. Attempting reconnection...": "与服务器的连接已中断，正在重新连接……",
    "Error": "出错了",
    "Exit fullscreen mode": "退出全屏",
    "Fullscreen": "全屏",
    "Info": "提示",
    "Paste from clipboard": "从剪贴板粘贴",
    "Upload file": "选择图片文件",
    "Capture from camera": "用摄像头拍照",
    "Remove Image": "移除图片",
    "View in full screen": "全屏查看",
    "Warning": "请注意",
    "capture photo": "拍照",
    "grant webcam access": "打开摄像头",
    "select input source": "选择摄像头",
    "select source": "选择摄像头",
    "Empty value": "空",
    "Gradio footer navigation": "页脚",
    "processing |": "处理中 |",
    "Stop Recording": "停止录制",
}
